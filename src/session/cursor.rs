//! DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor without SCROLL keeps nothing of what was read and goes forward only; one with SCROLL or WITH HOLD keeps the rows
//! that it has read.

use crate::bail;
use crate::error::Result;
use crate::sql::ast::{DeclareCursor, Fetch, FetchDirection, Statement};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::portal::{Cursor, Portal, PortalState};
use super::session::{Block, Session};
use super::statement::{Effect, fields_of, parsed_inner};

impl Session {
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
        let cursor = Cursor {
            scroll: declare.scroll == Some(true),
            hold: declare.hold,
            binary: declare.binary,
            ..Cursor::default()
        };
        let mut portal = Portal {
            prepared,
            params: params.to_vec(),
            formats: Vec::new(),
            state: PortalState::Ready,
            cursor: Some(cursor),
        };
        self.open_plan(&mut portal)?;
        self.portals.insert(name.clone(), portal);
        Ok(Effect::tag("DECLARE CURSOR"))
    }

    /// Reads a held cursor to its end, so that it outlives its transaction.
    pub(super) fn hold_cursor(&mut self, name: &str) -> Result<()> {
        let Some(mut portal) = self.portals.remove(name) else { return Ok(()) };
        let result = fill(&mut portal, usize::MAX);
        if let Some(cursor) = &mut portal.cursor {
            cursor.exhausted = true;
        }
        portal.state = PortalState::Done;
        self.portals.insert(name.to_owned(), portal);
        result
    }

    /// FETCH and MOVE.
    pub(super) fn fetch(&mut self, fetch: &Fetch) -> Result<Effect> {
        let name = &fetch.cursor;
        let Some(mut portal) = self.portals.remove(name) else {
            bail!(INVALID_CURSOR_NAME, "cursor \"{name}\" does not exist")
        };
        let rows = move_cursor(&mut portal, fetch.direction);
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

/// Reads until `count` rows are kept or the query ends.
fn fill(portal: &mut Portal, count: usize) -> Result<()> {
    let types: Vec<Oid> = fields_of(&portal.prepared).unwrap_or_default().iter().map(|field| field.ty.oid).collect();
    let PortalState::Running { running, .. } = &mut portal.state else { return Ok(()) };
    let Some(cursor) = &mut portal.cursor else { return Ok(()) };
    while cursor.kept.len() < count && !cursor.exhausted {
        match running.operator.next(&running.ctx)? {
            Some(batch) => cursor.kept.extend((0..batch.rows).map(|row| batch.row(&types, row))),
            None => cursor.exhausted = true,
        }
    }
    Ok(())
}

/// Moves a cursor and gives the rows passed, in the order passed.
fn move_cursor(portal: &mut Portal, direction: FetchDirection) -> Result<Vec<Vec<Datum>>> {
    let at = portal.cursor.as_ref().map_or(0, |cursor| cursor.at);
    if portal.cursor.is_none() {
        portal.cursor = Some(Cursor::default());
    }
    let backward = |portal: &Portal| -> Result<()> {
        let held = portal.cursor.as_ref().is_some_and(|cursor| cursor.scroll || cursor.hold);
        if held {
            return Ok(());
        }
        Err(crate::error!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
            .hint("Declare it with SCROLL option to enable backward scan."))
    };
    match direction {
        FetchDirection::Forward(count) if count >= 0 => forward(portal, usize::try_from(count).unwrap_or(usize::MAX)),
        FetchDirection::Forward(count) => {
            backward(portal)?;
            back(portal, usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX))
        }
        FetchDirection::Backward(count) if count < 0 => {
            forward(portal, usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX))
        }
        FetchDirection::Backward(count) => {
            backward(portal)?;
            back(portal, usize::try_from(count).unwrap_or(usize::MAX))
        }
        FetchDirection::Relative(step) => {
            let target = i64::try_from(at).unwrap_or(i64::MAX).saturating_add(step);
            if step < 0 {
                backward(portal)?;
            }
            absolute(portal, target)
        }
        FetchDirection::Absolute(place) => {
            if place < 0 {
                backward(portal)?;
                fill(portal, usize::MAX)?;
                let total = portal.cursor.as_ref().map_or(0, |cursor| cursor.kept.len());
                return absolute(portal, i64::try_from(total).unwrap_or(i64::MAX) + 1 + place);
            }
            if usize::try_from(place).is_ok_and(|place| place < at) {
                backward(portal)?;
            }
            absolute(portal, place)
        }
    }
}

fn forward(portal: &mut Portal, count: usize) -> Result<Vec<Vec<Datum>>> {
    let at = portal.cursor.as_ref().map_or(0, |cursor| cursor.at);
    fill(portal, at.saturating_add(count))?;
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    let end = at.saturating_add(count).min(cursor.kept.len());
    let start = at.min(end);
    let rows = cursor.kept[start..end].to_vec();
    cursor.at = if end < at.saturating_add(count) { cursor.kept.len() + 1 } else { end };
    if !cursor.scroll && !cursor.hold {
        // Nothing goes back: forget what was passed, counting from here.
        cursor.kept.drain(..end);
        cursor.at = cursor.at.saturating_sub(end);
    }
    Ok(rows)
}

fn back(portal: &mut Portal, count: usize) -> Result<Vec<Vec<Datum>>> {
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    if count == 0 {
        let at = cursor.at;
        return Ok(at.checked_sub(1).and_then(|at| cursor.kept.get(at)).cloned().into_iter().collect());
    }
    let mut rows = Vec::new();
    while rows.len() < count && cursor.at > 1 {
        cursor.at -= 1;
        match cursor.kept.get(cursor.at - 1) {
            Some(row) => rows.push(row.clone()),
            None => continue,
        }
    }
    if rows.len() < count {
        cursor.at = 0;
    }
    Ok(rows)
}

fn absolute(portal: &mut Portal, place: i64) -> Result<Vec<Vec<Datum>>> {
    let place = usize::try_from(place).unwrap_or(0);
    fill(portal, place)?;
    let Some(cursor) = &mut portal.cursor else { return Ok(Vec::new()) };
    cursor.at = place.min(cursor.kept.len() + 1);
    Ok(place.checked_sub(1).and_then(|at| cursor.kept.get(at)).cloned().into_iter().collect())
}
