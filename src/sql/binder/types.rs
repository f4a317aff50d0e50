//! Type names: `numeric(10,2)`, `items[]`, `public.mood` to a type and its modifier.

use crate::bail;
use crate::catalog::builtin::builtin;
use crate::catalog::system::extension_schema;
use crate::catalog::{Names, TypeRef};
use crate::error::Result;
use crate::sql::ast;
use crate::types::{Oid, SqlType, typmod};

/// The type that a name means.
///
/// # Errors
/// `42704` when there is none, `3F000` for a missing schema, `22023` and `42601` for bad modifiers.
pub fn resolve_type(name: &ast::TypeName, names: &Names) -> Result<SqlType> {
    let found = match name.name.schema() {
        Some(schema) => match names.snapshot.schema_named(schema) {
            Some(oid) => {
                names.check_usage(Some(schema)).map_err(|error| error.at(name.name.position))?;
                names.snapshot.type_in(oid, name.name.last())
            }
            None => {
                return Err(
                    crate::error!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist").at(name.name.position)
                );
            }
        },
        None => names.snapshot.find_type(&names.path, name.name.last()),
    };
    let oid = match found {
        Some(TypeRef::Builtin(row)) => row.oid,
        Some(TypeRef::User(ty)) => ty.oid,
        Some(TypeRef::UserArray(ty)) => ty.array_oid,
        Some(TypeRef::Row(oid, _)) => oid,
        None => {
            let text = format!("{}{}", name.name, "[]".repeat(name.array_dims.min(1)));
            let error = crate::error!(UNDEFINED_OBJECT, "type \"{text}\" does not exist").at(name.name.position);
            let of_extension = builtin().types_named(name.name.last()).any(|row| row.namespace == "public");
            let is_missing = of_extension && extension_schema(&names.snapshot).is_none();
            return Err(if is_missing { error.hint("CREATE EXTENSION vector brings this type.") } else { error });
        }
    };
    let typmod = match name.interval_typmod {
        Some(typmod) => typmod,
        None => modifier(oid, &name.modifiers).map_err(|error| error.at(name.name.position))?,
    };
    if name.array_dims == 0 {
        return Ok(SqlType { oid, typmod });
    }
    let array = names.snapshot.array_type(oid);
    if !array.is_some() {
        bail!(
            UNDEFINED_OBJECT,
            "could not find array type for data type {}",
            names.snapshot.type_text(SqlType::of(oid))
        );
    }
    Ok(SqlType { oid: array, typmod })
}

fn modifier(oid: Oid, modifiers: &[ast::Expr]) -> Result<i32> {
    if modifiers.is_empty() {
        // `char` and `bit` alone mean one character and one bit; the parser writes them as bpchar(1) and bit(1).
        return Ok(-1);
    }
    let mut texts = Vec::with_capacity(modifiers.len());
    for item in modifiers {
        texts.push(match &item.kind {
            ast::ExprKind::Number(text) if text.starts_with('-') && matches!(oid, Oid::VARCHAR | Oid::BPCHAR) => {
                bail!(SYNTAX_ERROR, "syntax error at or near \"-\"")
            }
            ast::ExprKind::Number(text) | ast::ExprKind::String(text) => text.clone(),
            ast::ExprKind::Column(name) => name.to_string(),
            ast::ExprKind::Unary { op, .. } if op.symbol == "-" && matches!(oid, Oid::VARCHAR | Oid::BPCHAR) => {
                bail!(SYNTAX_ERROR, "syntax error at or near \"-\"")
            }
            ast::ExprKind::Unary { op, arg } if op.symbol == "-" => match &arg.kind {
                ast::ExprKind::Number(text) => format!("-{text}"),
                _ => bail!(SYNTAX_ERROR, "type modifiers must be simple constants or identifiers"),
            },
            _ => bail!(SYNTAX_ERROR, "type modifiers must be simple constants or identifiers"),
        });
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    typmod::parse_typmod(oid, &texts)
}
