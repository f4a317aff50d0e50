//! `jsonpath` as PostgreSQL prints it.

use crate::types::json::write_string;
use crate::types::jsonpath::{JsonPath, Node, Operator, Step};

impl Operator {
    /// The operator as written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// How tightly a node binds.
fn priority(node: &Node) -> u8 {
    match node {
        Node::Or(..) => 0,
        Node::And(..) => 1,
        Node::Compare(..) | Node::StartsWith(..) => 2,
        Node::Arithmetic(Operator::Add | Operator::Sub, ..) => 3,
        Node::Arithmetic(..) => 4,
        Node::Sign(..) => 5,
        _ => 6,
    }
}

impl JsonPath {
    /// Appends the canonical text.
    pub fn print(&self, out: &mut String) {
        if self.strict {
            out.push_str("strict ");
        }
        self.root.print(true, out);
    }
}

impl Node {
    fn binary(&self, symbol: &str, left: &Self, right: &Self, brackets: bool, out: &mut String) {
        if brackets {
            out.push('(');
        }
        left.print(priority(left) <= priority(self), out);
        out.push_str(&format!(" {symbol} "));
        right.print(priority(right) <= priority(self), out);
        if brackets {
            out.push(')');
        }
    }

    fn print(&self, brackets: bool, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => value.output(out),
            Self::String(text) => write_string(text, out),
            Self::Root => out.push('$'),
            Self::Current => out.push('@'),
            Self::Last => out.push_str("last"),
            Self::Variable(name) => {
                out.push('$');
                write_string(name, out);
            }
            Self::Access(base, steps) => {
                let number = matches!(**base, Self::Number(_));
                if number {
                    out.push('(');
                }
                base.print(true, out);
                if number {
                    out.push(')');
                }
                steps.iter().for_each(|step| step.print(out));
            }
            Self::Arithmetic(operator, left, right) | Self::Compare(operator, left, right) => {
                self.binary(operator.symbol(), left, right, brackets, out);
            }
            Self::And(left, right) => self.binary("&&", left, right, brackets, out),
            Self::Or(left, right) => self.binary("||", left, right, brackets, out),
            Self::StartsWith(left, right) => self.binary("starts with", left, right, brackets, out),
            Self::Sign(negative, operand) => {
                if brackets {
                    out.push('(');
                }
                out.push(if *negative { '-' } else { '+' });
                operand.print(priority(operand) <= priority(self), out);
                if brackets {
                    out.push(')');
                }
            }
            Self::Not(operand) => wrapped("!(", operand, ")", out),
            Self::Exists(operand) => wrapped("exists (", operand, ")", out),
            Self::IsUnknown(operand) => wrapped("(", operand, ") is unknown", out),
            Self::LikeRegex(operand, pattern, flags) => {
                if brackets {
                    out.push('(');
                }
                operand.print(priority(operand) <= priority(self), out);
                out.push_str(" like_regex ");
                write_string(pattern, out);
                if !flags.is_empty() {
                    // Flags print in PostgreSQL's own order.
                    let ordered: String = "ismxq".chars().filter(|flag| flags.contains(*flag)).collect();
                    out.push_str(&format!(" flag \"{ordered}\""));
                }
                if brackets {
                    out.push(')');
                }
            }
        }
    }
}

fn wrapped(before: &str, operand: &Node, after: &str, out: &mut String) {
    out.push_str(before);
    operand.print(false, out);
    out.push_str(after);
}

fn level(level: Option<u32>) -> String {
    level.map_or_else(|| "last".to_owned(), |level| level.to_string())
}

impl Step {
    fn print(&self, out: &mut String) {
        match self {
            Self::Member(name) => {
                out.push('.');
                write_string(name, out);
            }
            Self::AnyMember => out.push_str(".*"),
            Self::AnyElement => out.push_str("[*]"),
            Self::Elements(ranges) => {
                out.push('[');
                for (index, (from, to)) in ranges.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    from.print(false, out);
                    if let Some(to) = to {
                        out.push_str(" to ");
                        to.print(false, out);
                    }
                }
                out.push(']');
            }
            Self::Descend(Some(0), None) => out.push_str(".**"),
            Self::Descend(from, to) if from == to => out.push_str(&format!(".**{{{}}}", level(*from))),
            Self::Descend(from, to) => out.push_str(&format!(".**{{{} to {}}}", level(*from), level(*to))),
            Self::Filter(condition) => wrapped("?(", condition, ")", out),
            Self::Method(name, args) => {
                out.push_str(&format!(".{name}("));
                for (index, arg) in args.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    arg.print(false, out);
                }
                out.push(')');
            }
        }
    }
}
