//! Floor 5: computing expressions: scalar functions and operators, aggregates, and the session facts they read.
//!
//! The binder has chosen every function by its pg_proc OID; [`registry`] maps an OID to what computes it (found by
//! `prosrc`, so that the catalog and the code cannot disagree). [`eval_row`] computes one value for one row.
//!
//! * [`context`]: what evaluation may read; the traits that the session and the executor implement for it.
//! * [`registry`]: functions by OID.
//! * [`row`]: one row at a time.
//! * [`batch`]: a batch at a time.
//! * [`aggregate`]: aggregate states.
//! * [`implies`]: whether conditions imply a predicate. [`included_condition`]: what included columns of an index answer.
//! * [`functions`]: the built-in functions, one file per area; each exports tables only.

pub mod aggregate;
pub mod batch;
pub mod context;
mod distances;
pub mod functions;
mod implication;
mod included;
mod kernels;
pub mod registry;
pub mod row;
mod row_nodes;
mod store;
mod volatility;

pub use aggregate::{AggregateInfo, AggregateMaker, AggregateState};
pub use batch::{eval_batch, eval_mask};
pub use context::{ArgTypes, EvalContext, FnContext, OuterRow, SessionFacade, SubqueryRunner};
pub use implication::{comparison_class, implies};
pub use included::{included_condition, is_included};
pub use registry::{Body, CompareOp, Function, ScalarFn, SetFn, SetRows, Volatility, function};
pub use row::{Row, call_function, eval_row};
pub use volatility::is_volatile;
