//! DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor with SCROLL or WITH HOLD keeps the rows that it has read, one with NO SCROLL none of them. PostgreSQL lets one that is declared neither way
//! go back where its plan can; here it can while its result is short.

use crate::bail;
use crate::error::Result;
use crate::sql::ast::{DeclareCursor, Fetch, FetchDirection, Statement};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::portal::{Cursor, Portal, PortalState};
use super::session::{Block, Session};
use super::statement::{Effect, fields_of, parsed_inner};

impl Session {
    /// Keeps a new portal, until what it was made in ends.
    pub(super) fn keep_portal(&mut self, name: String, mut portal: Portal) {
        portal.since = self.savepoints.last().map(|savepoint| savepoint.id);
        self.portals.insert(name, portal);
    }

    /// DECLARE.
    pub(super) fn declare(&mut self, declare: &DeclareCursor, params: &[Datum], text: &str) -> Result<Effect> {
        let name = &declare.name;
        if self.block == Block::None && !declare.hold {
            bail!(NO_ACTIVE_SQL_TRANSACTION, "DECLARE CURSOR can only be used in transaction blocks");
        }
        if self.portals.contains_key(name) {
            bail!(DUPLICATE_CURSOR, "cursor \"{name}\" already exists");
        }
        let statement = Statement::Query(Box::new(declare.query.clone()));
        let prepared = self.prepare(Some(parsed_inner(&statement, text)), Some(&[]), false)?;
        let cursor = Cursor { scroll: declare.scroll, hold: declare.hold, binary: declare.binary, ..Cursor::default() };
        let mut portal = Portal { cursor: Some(cursor), ..Portal::new(prepared, params.to_vec(), Vec::new()) };
        self.open_plan(&mut portal)?;
        self.keep_portal(name.clone(), portal);
        Ok(Effect::tag("DECLARE CURSOR"))
    }

    /// Reads a held cursor to its end, so that it outlives its transaction.
    pub(super) fn hold_cursor(&mut self, name: &str) -> Result<()> {
        let Some(mut portal) = self.portals.remove(name) else { return Ok(()) };
        if matches!(portal.state, PortalState::Failed) {
            return Ok(());
        }
        let result = fill(&mut portal, usize::MAX);
        if let Some(cursor) = &mut portal.cursor {
            cursor.exhausted = true;
        }
        portal.state = PortalState::Done;
        portal.since = None;
        self.portals.insert(name.to_owned(), portal);
        result
    }

    /// FETCH and MOVE.
    pub(super) fn fetch(&mut self, fetch: &Fetch) -> Result<Effect> {
        let name = &fetch.cursor;
        let Some(mut portal) = self.portals.remove(name) else {
            bail!(INVALID_CURSOR_NAME, "cursor \"{name}\" does not exist")
        };
        let rows = portal.check_runs(name).and_then(|()| move_cursor(&mut portal, fetch));
        if rows.is_err() {
            portal.state = PortalState::Failed;
        }
        let fields = fields_of(&portal.prepared).unwrap_or_default().to_vec();
        self.portals.insert(name.clone(), portal);
        let rows = rows?;
        if fetch.is_move {
            return Ok(Effect::tag(format!("MOVE {}", rows.len())));
        }
        let types: Vec<Oid> = fields.iter().map(|field| field.ty.oid).collect();
        let batch = Batch::from_rows(&types, &rows);
        Ok(Effect { tag: format!("FETCH {}", rows.len()), rows: Some((fields, vec![batch])) })
    }

    /// CLOSE.
    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<Effect> {
        match name {
            None => {
                self.portals.clear();
                Ok(Effect::tag("CLOSE CURSOR ALL"))
            }
            Some(name) => match self.portals.remove(name) {
                Some(_) => Ok(Effect::tag("CLOSE CURSOR")),
                None => bail!(INVALID_CURSOR_NAME, "cursor \"{name}\" does not exist"),
            },
        }
    }
}

/// Rows that a cursor which was not declared SCROLL keeps for going back; of longer results those passed are forgotten.
const KEPT_MAX: usize = 1000;

impl Cursor {
    /// Rows read so far.
    fn read(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    /// The row at a place, counted from 1; none before the first, behind the last and where it is not read yet.
    fn row(&self, place: usize) -> Option<&Vec<Datum>> {
        self.kept.get(place.checked_sub(self.forgotten + 1)?)
    }

    /// Whether rows that were passed are there still.
    fn check_back(&self) -> Result<()> {
        if self.hold || self.scroll == Some(true) || (self.scroll.is_none() && self.forgotten == 0) {
            return Ok(());
        }
        Err(crate::error!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
            .hint("Declare it with SCROLL option to enable backward scan."))
    }

    /// Forgets what was passed, if nothing goes back or too much would be kept.
    fn forget(&mut self) {
        let forgets = self.scroll == Some(false) || (self.scroll.is_none() && self.kept.len() > KEPT_MAX);
        if forgets && !self.hold {
            let passed = self.at.min(self.read()) - self.forgotten;
            self.kept.drain(..passed);
            self.forgotten += passed;
        }
    }
}

/// Reads until `count` rows are read or the query ends.
fn fill(portal: &mut Portal, count: usize) -> Result<()> {
    let types: Vec<Oid> = fields_of(&portal.prepared).unwrap_or_default().iter().map(|field| field.ty.oid).collect();
    let PortalState::Running { running, .. } = &mut portal.state else { return Ok(()) };
    let Some(cursor) = &mut portal.cursor else { return Ok(()) };
    while cursor.read() < count && !cursor.exhausted {
        match running.operator.next(&running.ctx)? {
            Some(batch) => cursor.kept.extend((0..batch.rows).map(|row| batch.row(&types, row))),
            None => cursor.exhausted = true,
        }
    }
    Ok(())
}

/// Moves a cursor and gives the rows passed, in the order passed.
fn move_cursor(portal: &mut Portal, fetch: &Fetch) -> Result<Vec<Vec<Datum>>> {
    let at = portal.cursor.get_or_insert_default().at;
    let size = |count: i64| usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match fetch.direction {
        FetchDirection::Forward(0) | FetchDirection::Backward(0) | FetchDirection::Relative(0) => {
            again(portal, fetch.is_move)
        }
        FetchDirection::Forward(count) if count > 0 => forward(portal, size(count)),
        FetchDirection::Backward(count) if count < 0 => forward(portal, size(count)),
        FetchDirection::Forward(count) | FetchDirection::Backward(count) => back(portal, size(count)),
        FetchDirection::Relative(step) if step < 0 => absolute(portal, at.saturating_sub(size(step))),
        FetchDirection::Relative(step) => absolute(portal, at.saturating_add(size(step))),
        FetchDirection::Absolute(place) if place < 0 => {
            fill(portal, usize::MAX)?;
            let read = portal.cursor.as_ref().map_or(0, Cursor::read);
            absolute(portal, (read + 1).saturating_sub(size(place)))
        }
        FetchDirection::Absolute(place) => absolute(portal, size(place)),
    }
}

/// The row that the cursor is on once more.
fn again(portal: &Portal, is_move: bool) -> Result<Vec<Vec<Datum>>> {
    let Some(cursor) = &portal.cursor else { return Ok(Vec::new()) };
    let is_on_row = (1..=cursor.read()).contains(&cursor.at);
    if is_on_row && is_move {
        return Ok(vec![Vec::new()]);
    }
    if is_on_row {
        cursor.check_back()?;
    }
    Ok(cursor.row(cursor.at).cloned().into_iter().collect())
}

fn forward(portal: &mut Portal, count: usize) -> Result<Vec<Vec<Datum>>> {
    let wanted = portal.cursor.as_ref().map_or(0, |cursor| cursor.at).saturating_add(count);
    fill(portal, wanted)?;
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    let rows: Vec<Vec<Datum>> =
        (cursor.at + 1..=wanted.min(cursor.read())).filter_map(|at| cursor.row(at).cloned()).collect();
    cursor.at = wanted.min(cursor.read() + 1);
    cursor.forget();
    Ok(rows)
}

fn back(portal: &mut Portal, count: usize) -> Result<Vec<Vec<Datum>>> {
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    if cursor.at > 0 {
        cursor.check_back()?;
    }
    let first = cursor.at.saturating_sub(count);
    let rows = (first.max(1)..cursor.at).rev().filter_map(|at| cursor.row(at).cloned()).collect();
    cursor.at = first;
    Ok(rows)
}

fn absolute(portal: &mut Portal, place: usize) -> Result<Vec<Vec<Datum>>> {
    fill(portal, place)?;
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    if place <= cursor.at && cursor.at > 0 {
        cursor.check_back()?;
    }
    cursor.at = place.min(cursor.read() + 1);
    let row = cursor.row(place).cloned();
    cursor.forget();
    Ok(row.into_iter().collect())
}
