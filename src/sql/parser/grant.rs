//! GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, and what hands a role's belongings on.

use super::cursor::Parser;
use crate::error::Result;
use crate::sql::ast::{Belongings, DefaultPrivileges, Grant, GrantTarget, ObjectKind, Privilege, Statement};

impl Parser<'_> {
    /// GRANT and REVOKE.
    pub(super) fn grant(&mut self, revoke: bool) -> Result<Statement> {
        self.advance();
        let mut grant = Grant { revoke, ..Grant::default() };
        grant.option_for = self.option_for(revoke);
        grant.privileges = self.privileges()?;
        if self.eat_word("on") {
            grant.target = Some(self.grant_target()?);
        }
        self.grant_tail(&mut grant)?;
        Ok(Statement::Grant(Box::new(grant)))
    }

    /// GRANT OPTION FOR and its kin, of REVOKE.
    fn option_for(&mut self, revoke: bool) -> Option<String> {
        let options = ["grant", "admin", "inherit", "set"];
        let found = options.iter().find(|word| revoke && self.are_words(&[word, "option", "for"]))?;
        self.eat_words(&[found, "option", "for"]);
        Some((*found).to_owned())
    }

    fn privileges(&mut self) -> Result<Vec<Privilege>> {
        self.comma_list(|p| {
            let mut name = p.label()?;
            if name == "all" {
                p.eat_word("privileges");
            } else if name == "alter" && p.eat_word("system") {
                name.push_str(" system");
            }
            let columns = if p.is_punct("(") { p.column_list()? } else { Vec::new() };
            Ok(Privilege { name, columns })
        })
    }

    fn grant_target(&mut self) -> Result<GrantTarget> {
        let mut target = GrantTarget { kind: ObjectKind::Table, all_in_schemas: false, names: Vec::new() };
        if self.eat_word("all") {
            let kinds = [
                ("tables", ObjectKind::Table),
                ("sequences", ObjectKind::Sequence),
                ("functions", ObjectKind::Function),
                ("procedures", ObjectKind::Function),
                ("routines", ObjectKind::Function),
            ];
            let Some((_, kind)) = kinds.iter().find(|(word, _)| self.eat_word(word)) else {
                return Err(self.unexpected());
            };
            if !self.eat_words(&["in", "schema"]) {
                return Err(self.unexpected());
            }
            target.kind = *kind;
            target.all_in_schemas = true;
            target.names = self.comma_list(|p| Ok((p.name()?, None)))?;
            return Ok(target);
        }
        if self.eat_any(&["procedure", "routine"]).is_some() {
            target.kind = ObjectKind::Function;
        } else if self.is_word("large") || ["parameter", "tablespace", "language"].iter().any(|word| self.is_word(word))
        {
            let word = self.label()?;
            return Err(crate::error::Error::unsupported(format!("GRANT ON {}", word.to_uppercase())));
        } else if self.eat_words(&["foreign", "data", "wrapper"]) || self.eat_words(&["foreign", "server"]) {
            return Err(crate::error::Error::unsupported("foreign data"));
        } else {
            target.kind = self.object_kind().unwrap_or(ObjectKind::Table);
        }
        let is_function = target.kind == ObjectKind::Function;
        target.names = self.comma_list(|p| {
            let name = p.name()?;
            let types = if is_function && p.is_punct("(") { Some(p.argument_types()?) } else { None };
            Ok((name, types))
        })?;
        Ok(target)
    }

    /// `(integer, text)`, with modes and names of arguments passed over.
    fn argument_types(&mut self) -> Result<Vec<crate::sql::ast::TypeName>> {
        self.expect_punct("(")?;
        let mut types = Vec::new();
        if self.eat_punct(")") {
            return Ok(types);
        }
        loop {
            self.eat_any(&["in", "variadic"]);
            types.push(self.type_name()?);
            if !self.eat_punct(",") {
                break;
            }
        }
        self.expect_punct(")")?;
        Ok(types)
    }

    /// A role, or one of the words that mean one.
    pub(super) fn role_spec(&mut self) -> Result<String> {
        self.label()
    }

    /// TO or FROM, and what follows.
    fn grant_tail(&mut self, grant: &mut Grant) -> Result<()> {
        self.expect_word(if grant.revoke { "from" } else { "to" })?;
        grant.roles = self.comma_list(|p| {
            p.eat_word("group");
            p.role_spec()
        })?;
        if !grant.revoke && self.eat_word("with") {
            if self.eat_words(&["grant", "option"]) {
                grant.grant_option = true;
            } else {
                grant.options = self.comma_list(|p| {
                    let option = p.label()?;
                    if p.eat_word("option") || p.eat_word("true") {
                        return Ok((option, true));
                    }
                    p.expect_word("false")?;
                    Ok((option, false))
                })?;
            }
        }
        if self.eat_words(&["granted", "by"]) {
            grant.granted_by = Some(self.role_spec()?);
        }
        if grant.revoke {
            grant.cascade = self.cascade();
        }
        Ok(())
    }

    /// ALTER DEFAULT PRIVILEGES.
    pub(super) fn alter_default_privileges(&mut self) -> Result<Statement> {
        let mut defaults = DefaultPrivileges::default();
        loop {
            if self.eat_words(&["in", "schema"]) {
                defaults.schemas = self.comma_list(Self::identifier)?;
            } else if self.eat_words(&["for", "role"]) || self.eat_words(&["for", "user"]) {
                defaults.roles = self.comma_list(Self::role_spec)?;
            } else {
                break;
            }
        }
        let revoke = self.is_word("revoke");
        if !revoke && !self.is_word("grant") {
            return Err(self.unexpected());
        }
        self.advance();
        let mut grant = Grant { revoke, ..Grant::default() };
        grant.option_for = self.option_for(revoke);
        grant.privileges = self.privileges()?;
        self.expect_word("on")?;
        let kinds = [
            ("tables", ObjectKind::Table),
            ("sequences", ObjectKind::Sequence),
            ("functions", ObjectKind::Function),
            ("routines", ObjectKind::Function),
            ("types", ObjectKind::Type),
            ("schemas", ObjectKind::Schema),
        ];
        let Some((_, kind)) = kinds.iter().find(|(word, _)| self.eat_word(word)) else {
            return Err(self.unexpected());
        };
        grant.target = Some(GrantTarget { kind: *kind, all_in_schemas: false, names: Vec::new() });
        self.grant_tail(&mut grant)?;
        defaults.grant = grant;
        Ok(Statement::DefaultPrivileges(Box::new(defaults)))
    }

    /// REASSIGN OWNED BY ... TO, and DROP OWNED BY, whose first word is gone.
    pub(super) fn belongings(&mut self, reassign: bool) -> Result<Statement> {
        if !self.eat_words(&["owned", "by"]) {
            return Err(self.unexpected());
        }
        let roles = self.comma_list(Self::role_spec)?;
        let new_owner = if reassign {
            self.expect_word("to")?;
            Some(self.role_spec()?)
        } else {
            None
        };
        let cascade = !reassign && self.cascade();
        Ok(Statement::Belongings(Belongings { roles, new_owner, cascade }))
    }
}
