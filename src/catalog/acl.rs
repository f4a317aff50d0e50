//! Access lists: who may do what with an object, and who granted it.
//!
//! An [`Acl`] is a list of items, one per grantee and grantor, as PostgreSQL's `aclitem[]`: a grantee (0 is PUBLIC), a
//! grantor, rights, and which of the rights may be granted on. An object without a list of its own has the default of
//! its kind: everything for the owner, and for PUBLIC what [`AclKind::of_public`] says. Grants form chains that start at the owner;
//! taking a grant option away takes what was granted by it, or is refused.

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::{Error, Result, SqlState};
use crate::types::Oid;

/// A set of rights, one bit each, in the order of [`LETTERS`].
pub type Rights = u16;

/// INSERT.
pub const INSERT: Rights = 1;
/// SELECT.
pub const SELECT: Rights = 1 << 1;
/// UPDATE.
pub const UPDATE: Rights = 1 << 2;
/// DELETE.
pub const DELETE: Rights = 1 << 3;
/// TRUNCATE.
pub const TRUNCATE: Rights = 1 << 4;
/// REFERENCES.
pub const REFERENCES: Rights = 1 << 5;
/// TRIGGER.
pub const TRIGGER: Rights = 1 << 6;
/// EXECUTE.
pub const EXECUTE: Rights = 1 << 7;
/// USAGE.
pub const USAGE: Rights = 1 << 8;
/// CREATE.
pub const CREATE: Rights = 1 << 9;
/// TEMPORARY.
pub const TEMPORARY: Rights = 1 << 10;
/// CONNECT.
pub const CONNECT: Rights = 1 << 11;
/// MAINTAIN.
pub const MAINTAIN: Rights = 1 << 12;

/// Bit, letter and word of every right, in the order in which lists print them.
const LETTERS: [(Rights, char, &str); 13] = [
    (INSERT, 'a', "INSERT"),
    (SELECT, 'r', "SELECT"),
    (UPDATE, 'w', "UPDATE"),
    (DELETE, 'd', "DELETE"),
    (TRUNCATE, 'D', "TRUNCATE"),
    (REFERENCES, 'x', "REFERENCES"),
    (TRIGGER, 't', "TRIGGER"),
    (EXECUTE, 'X', "EXECUTE"),
    (USAGE, 'U', "USAGE"),
    (CREATE, 'C', "CREATE"),
    (TEMPORARY, 'T', "TEMPORARY"),
    (CONNECT, 'c', "CONNECT"),
    (MAINTAIN, 'm', "MAINTAIN"),
];

/// The right that a word names; `None` for words that name none.
#[must_use]
pub fn right_named(word: &str) -> Option<Rights> {
    let word = if word.eq_ignore_ascii_case("temp") { "TEMPORARY" } else { word };
    LETTERS.iter().find(|item| item.2.eq_ignore_ascii_case(word)).map(|item| item.0)
}

/// The words of a set of rights, in the order of lists.
pub fn words(rights: Rights) -> impl Iterator<Item = (Rights, &'static str)> {
    LETTERS.iter().filter(move |item| rights & item.0 != 0).map(|item| (item.0, item.2))
}

/// What an access list belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum AclKind {
    Relation,
    Sequence,
    Column,
    Database,
    Function,
    Language,
    Schema,
    Type,
}

impl AclKind {
    /// All rights there are on such a thing.
    #[must_use]
    pub fn all(self) -> Rights {
        match self {
            Self::Relation => INSERT | SELECT | UPDATE | DELETE | TRUNCATE | REFERENCES | TRIGGER | MAINTAIN,
            Self::Sequence => USAGE | SELECT | UPDATE,
            Self::Column => INSERT | SELECT | UPDATE | REFERENCES,
            Self::Database => CREATE | TEMPORARY | CONNECT,
            Self::Function => EXECUTE,
            Self::Language | Self::Type => USAGE,
            Self::Schema => USAGE | CREATE,
        }
    }

    /// What everybody may do with a new one.
    #[must_use]
    pub fn of_public(self) -> Rights {
        match self {
            Self::Relation | Self::Sequence | Self::Column | Self::Schema => 0,
            Self::Database => TEMPORARY | CONNECT,
            Self::Function => EXECUTE,
            Self::Language | Self::Type => USAGE,
        }
    }

    /// The list that an object has while nothing was granted or revoked. Columns have none: their table's says all.
    #[must_use]
    pub fn default_acl(self, owner: Oid) -> Acl {
        let mut acl = Acl::default();
        if self != Self::Column {
            acl.add(Oid::NONE, owner, self.of_public(), 0);
            acl.add(owner, owner, self.all(), 0);
        }
        acl
    }

    /// The letter that pg_default_acl and `acldefault` use.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'r' => Self::Relation,
            's' | 'S' => Self::Sequence,
            'c' => Self::Column,
            'd' => Self::Database,
            'f' => Self::Function,
            'l' => Self::Language,
            'n' => Self::Schema,
            'T' => Self::Type,
            _ => return None,
        })
    }

    /// What messages call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Relation => "table",
            Self::Sequence => "sequence",
            Self::Column => "column",
            Self::Database => "database",
            Self::Function => "function",
            Self::Language => "language",
            Self::Schema => "schema",
            Self::Type => "type",
        }
    }
}

/// What one grantor gave one grantee.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AclItem {
    /// A role, or 0 for PUBLIC.
    pub grantee: Oid,
    /// A role.
    pub grantor: Oid,
    /// The rights.
    pub rights: Rights,
    /// Those of them that the grantee may grant on.
    pub options: Rights,
}

/// An access list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Acl(pub Vec<AclItem>);

impl Acl {
    fn add(&mut self, grantee: Oid, grantor: Oid, rights: Rights, options: Rights) {
        if rights == 0 && options == 0 {
            return;
        }
        match self.0.iter_mut().find(|item| item.grantee == grantee && item.grantor == grantor) {
            Some(item) => {
                item.rights |= rights;
                item.options |= options;
            }
            None => self.0.push(AclItem { grantee, grantor, rights, options }),
        }
    }

    /// What somebody who is all of these roles may do, and may grant. PUBLIC's rights are everybody's.
    #[must_use]
    pub fn held(&self, roles: &[Oid]) -> (Rights, Rights) {
        let mine = |item: &&AclItem| item.grantee == Oid::NONE || roles.contains(&item.grantee);
        self.0.iter().filter(mine).fold((0, 0), |(rights, options), item| {
            (rights | item.rights, options | if item.grantee == Oid::NONE { 0 } else { item.options })
        })
    }

    /// GRANT. `roles` are those whose rights the grantor has.
    ///
    /// # Errors
    /// `0LP01` for grant options to PUBLIC or back to the one they come from.
    pub fn grant(
        &mut self,
        grantee: Oid,
        (grantor, roles): (Oid, &[Oid]),
        rights: Rights,
        with_option: bool,
        owner: Oid,
    ) -> Result<()> {
        if with_option && grantee == Oid::NONE {
            bail!(INVALID_GRANT_OPERATION, "grant options can only be granted to roles");
        }
        if with_option && !roles.contains(&owner) {
            self.check_chain(grantee, roles, rights, owner)?;
        }
        self.add(grantee, grantor, rights, if with_option { rights } else { 0 });
        Ok(())
    }

    /// A chain of grants starts at the owner: the grantor must have its options without what the grantee gave on.
    fn check_chain(&self, grantee: Oid, roles: &[Oid], rights: Rights, owner: Oid) -> Result<()> {
        let mut without = self.clone();
        while let Some(item) = without.0.iter().find(|item| item.grantee == grantee && item.options != 0).copied() {
            without.revoke((grantee, item.grantor), item.rights | item.options, false, true, owner)?;
        }
        let held =
            without.0.iter().filter(|item| roles.contains(&item.grantee)).fold(0, |all, item| all | item.options);
        if rights & !held != 0 {
            bail!(INVALID_GRANT_OPERATION, "grant options cannot be granted back to your own grantor");
        }
        Ok(())
    }

    /// REVOKE; `options_only` is GRANT OPTION FOR.
    ///
    /// # Errors
    /// `2BP01` when somebody holds rights by what is taken away, unless `cascade`.
    pub fn revoke(
        &mut self,
        (grantee, grantor): (Oid, Oid),
        rights: Rights,
        options_only: bool,
        cascade: bool,
        owner: Oid,
    ) -> Result<()> {
        let found = self.0.iter_mut().find(|item| item.grantee == grantee && item.grantor == grantor);
        let Some(item) = found else { return Ok(()) };
        let lost = item.options & rights;
        item.options &= !rights;
        if !options_only {
            item.rights &= !rights;
        }
        self.0.retain(|item| item.rights != 0 || item.options != 0);
        self.follow(grantee, lost, cascade, owner)
    }

    /// Takes away what a role granted by options that it has no longer.
    fn follow(&mut self, role: Oid, lost: Rights, cascade: bool, owner: Oid) -> Result<()> {
        if lost == 0 || role == owner {
            return Ok(());
        }
        let still = self.0.iter().filter(|item| item.grantee == role).fold(0, |all, item| all | item.options);
        let lost = lost & !still;
        while let Some(item) = self.0.iter().find(|item| item.grantor == role && item.rights & lost != 0).copied() {
            if !cascade {
                return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                    .hint("Use CASCADE to revoke them too."));
            }
            self.revoke((item.grantee, role), lost, false, true, owner)?;
        }
        Ok(())
    }

    /// The list after the object went from one owner to another.
    #[must_use]
    pub fn with_owner(&self, old: Oid, new: Oid) -> Self {
        let renamed = |role: Oid| if role == old { new } else { role };
        let mut out = Self::default();
        for item in &self.0 {
            out.add(renamed(item.grantee), renamed(item.grantor), item.rights, item.options);
        }
        out
    }

    /// Adds the items of another list.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|item| self.add(item.grantee, item.grantor, item.rights, item.options));
    }

    /// The list without a role's items, granted or received.
    #[must_use]
    pub fn without(&self, role: Oid) -> Self {
        Self(self.0.iter().filter(|item| item.grantee != role && item.grantor != role).copied().collect())
    }

    /// Whether a role stands in it.
    #[must_use]
    pub fn mentions(&self, role: Oid) -> bool {
        self.0.iter().any(|item| item.grantee == role || item.grantor == role)
    }
}

impl AclItem {
    /// The item as `aclitem` prints it.
    #[must_use]
    pub fn text(&self, role_name: &dyn Fn(Oid) -> String) -> String {
        let mut out = if self.grantee == Oid::NONE { String::new() } else { quoted(&role_name(self.grantee)) };
        out.push('=');
        for (bit, letter, _) in LETTERS {
            if self.rights & bit != 0 {
                out.push(letter);
            }
            if self.options & bit != 0 {
                out.push('*');
            }
        }
        out.push('/');
        out.push_str(&quoted(&role_name(self.grantor)));
        out
    }

    /// Reads an `aclitem`.
    ///
    /// # Errors
    /// `22P02` on bad syntax or letters, `42704` for unknown roles.
    pub fn parse(text: &str, role_named: &dyn Fn(&str) -> Option<Oid>) -> Result<Self> {
        let (grantee, rest) = unquoted(text)?;
        let Some(rest) = rest.strip_prefix('=') else {
            return Err(crate::error!(INVALID_TEXT_REPRESENTATION, "missing \"=\" sign"));
        };
        let (letters, grantor) = match rest.split_once('/') {
            Some((letters, grantor)) => (letters, unquoted(grantor)?.0),
            None => (rest, String::new()),
        };
        let role = |name: &str| match role_named(name) {
            Some(oid) => Ok(oid),
            None => Err(crate::error!(UNDEFINED_OBJECT, "role \"{name}\" does not exist")),
        };
        let mut item = Self { grantee: Oid::NONE, grantor: Oid::NONE, rights: 0, options: 0 };
        if !grantee.is_empty() {
            item.grantee = role(&grantee)?;
        }
        item.grantor = if grantor.is_empty() { Oid(10) } else { role(&grantor)? };
        let mut last = 0;
        for letter in letters.chars() {
            if letter == '*' {
                item.options |= last;
                continue;
            }
            let Some(found) = LETTERS.iter().find(|entry| entry.1 == letter) else {
                return Err(crate::error!(
                    INVALID_TEXT_REPRESENTATION,
                    "invalid mode character: must be one of \"arwdDxtXUCTcsAm\""
                ));
            };
            last = found.0;
            item.rights |= last;
        }
        Ok(item)
    }
}

fn quoted(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name at the start of a text, and what follows it.
fn unquoted(text: &str) -> Result<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let Some(end) = rest.find('"') else {
            return Err(crate::error!(INVALID_TEXT_REPRESENTATION, "missing closing quote in aclitem"));
        };
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Ok((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, AclItem, AclKind, INSERT, SELECT, UPDATE};
    use crate::types::Oid;

    const OWNER: Oid = Oid(10);
    const A: Oid = Oid(20);
    const B: Oid = Oid(30);
    const BY_OWNER: (Oid, &[Oid]) = (OWNER, &[OWNER]);

    fn name(oid: Oid) -> String {
        match oid {
            OWNER => "postgres".to_owned(),
            A => "a-b".to_owned(),
            _ => "b".to_owned(),
        }
    }

    fn text(acl: &Acl) -> String {
        acl.0.iter().map(|item| item.text(&name)).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn lists_print_and_read_as_postgresql_does() {
        assert_eq!(text(&AclKind::Relation.default_acl(OWNER)), "postgres=arwdDxtm/postgres");
        assert_eq!(text(&AclKind::Database.default_acl(OWNER)), "=Tc/postgres,postgres=CTc/postgres");
        let mut acl = Acl::default();
        acl.grant(A, BY_OWNER, SELECT | INSERT, true, OWNER).expect("grants");
        acl.grant(A, BY_OWNER, UPDATE, false, OWNER).expect("grants");
        assert_eq!(text(&acl), "\"a-b\"=a*r*w/postgres");
        let named = |name: &str| [("postgres", OWNER), ("a-b", A), ("b", B)].iter().find(|i| i.0 == name).map(|i| i.1);
        assert_eq!(AclItem::parse("\"a-b\"=a*r*w/postgres", &named).expect("reads"), acl.0[0]);
        assert!(AclItem::parse("b=q/postgres", &named).is_err());
        assert!(AclItem::parse("nobody=r/postgres", &named).is_err());
    }

    #[test]
    fn chains_of_grants_end_with_their_beginning() {
        let mut acl = AclKind::Relation.default_acl(OWNER);
        acl.grant(A, BY_OWNER, SELECT, true, OWNER).expect("grants");
        acl.grant(B, (A, &[A]), SELECT, true, OWNER).expect("grants");
        assert!(acl.grant(A, (B, &[B]), SELECT, true, OWNER).is_err(), "not back to one's own grantor");
        assert!(acl.revoke((A, OWNER), SELECT, false, false, OWNER).is_err());
        let mut acl = AclKind::Relation.default_acl(OWNER);
        acl.grant(A, BY_OWNER, SELECT, true, OWNER).expect("grants");
        acl.grant(B, (A, &[A]), SELECT, false, OWNER).expect("grants");
        acl.revoke((A, OWNER), SELECT, true, true, OWNER).expect("revokes");
        assert_eq!(acl.held(&[B]).0, 0);
        assert_eq!(acl.held(&[A]), (SELECT, 0));
        assert_eq!(acl.with_owner(OWNER, B).held(&[B]).0, AclKind::Relation.all());
        assert!(!acl.without(A).mentions(A));
    }
}
