//! The one error type of the crate: a PostgreSQL error report.
//!
//! Every error that can reach a client carries an SQLSTATE and PostgreSQL's wording: a lower-case primary
//! message without a final period, an optional detail and hint (whole sentences), and where it is about a place
//! in the statement, that place. Codes decide what the caller does: class `40` is retried by the client, class
//! `XX` is corruption or a bug and is logged where it is handled. Bytes from outside never panic; a broken
//! internal invariant always does, so there is no "unreachable" error here.

use std::fmt;

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Makes a code from its five characters; evaluated at compile time for the constants below.
    #[must_use]
    pub const fn new(code: &str) -> Self {
        let bytes = code.as_bytes();
        assert!(bytes.len() == 5, "an SQLSTATE has five characters");
        Self([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
    }

    /// The code as text, such as `42P01`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("codes are ASCII")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! sqlstates {
    ($($name:ident = $code:literal;)*) => {
        impl SqlState { $(#[doc = concat!("`", $code, "`, PostgreSQL's name in lower case.")] pub const $name: Self = Self::new($code);)* }
    };
}

sqlstates! {
    SUCCESSFUL_COMPLETION = "00000";
    WARNING = "01000";
    WARNING_PRIVILEGE_NOT_REVOKED = "01006";
    WARNING_PRIVILEGE_NOT_GRANTED = "01007";
    INVALID_GRANT_OPERATION = "0LP01";
    CONNECTION_FAILURE = "08006";
    PROTOCOL_VIOLATION = "08P01";
    FEATURE_NOT_SUPPORTED = "0A000";
    CARDINALITY_VIOLATION = "21000";
    DATA_EXCEPTION = "22000";
    ARRAY_SUBSCRIPT_ERROR = "2202E";
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    DATETIME_FIELD_OVERFLOW = "22008";
    DIVISION_BY_ZERO = "22012";
    INTERVAL_FIELD_OVERFLOW = "22015";
    INVALID_ARGUMENT_FOR_LOG = "2201E";
    INVALID_ARGUMENT_FOR_POWER_FUNCTION = "2201F";
    INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION = "2201G";
    INVALID_ARGUMENT_FOR_NTILE_FUNCTION = "22014";
    INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION = "22016";
    INVALID_BINARY_REPRESENTATION = "22P03";
    INVALID_CHARACTER_VALUE_FOR_CAST = "22018";
    INVALID_DATETIME_FORMAT = "22007";
    INVALID_ESCAPE_CHARACTER = "22019";
    INVALID_ESCAPE_SEQUENCE = "22025";
    INVALID_JSON_TEXT = "22032";
    INVALID_LIMIT_VALUE = "2201W";
    INVALID_OFFSET_VALUE = "2201X";
    INVALID_PARAMETER_VALUE = "22023";
    INVALID_PRECEDING_OR_FOLLOWING_SIZE = "22013";
    INVALID_REGULAR_EXPRESSION = "2201B";
    INVALID_TEXT_REPRESENTATION = "22P02";
    INVALID_USE_OF_ESCAPE_CHARACTER = "2200C";
    INVALID_TIME_ZONE_DISPLACEMENT_VALUE = "22009";
    BAD_COPY_FILE_FORMAT = "22P04";
    NULL_VALUE_NOT_ALLOWED = "22004";
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    SEQUENCE_GENERATOR_LIMIT_EXCEEDED = "2200H";
    STRING_DATA_LENGTH_MISMATCH = "22026";
    STRING_DATA_RIGHT_TRUNCATION = "22001";
    SUBSTRING_ERROR = "22011";
    UNTRANSLATABLE_CHARACTER = "22P05";
    DUPLICATE_JSON_OBJECT_KEY_VALUE = "22030";
    ZERO_LENGTH_CHARACTER_STRING = "2200F";
    INTEGRITY_CONSTRAINT_VIOLATION = "23000";
    RESTRICT_VIOLATION = "23001";
    NOT_NULL_VIOLATION = "23502";
    FOREIGN_KEY_VIOLATION = "23503";
    UNIQUE_VIOLATION = "23505";
    CHECK_VIOLATION = "23514";
    INVALID_CURSOR_STATE = "24000";
    INVALID_TRANSACTION_STATE = "25000";
    ACTIVE_SQL_TRANSACTION = "25001";
    NO_ACTIVE_SQL_TRANSACTION = "25P01";
    IN_FAILED_SQL_TRANSACTION = "25P02";
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03";
    READ_ONLY_SQL_TRANSACTION = "25006";
    INVALID_SQL_STATEMENT_NAME = "26000";
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
    INVALID_AUTHORIZATION_SPECIFICATION = "28000";
    INVALID_PASSWORD = "28P01";
    INVALID_CURSOR_NAME = "34000";
    INVALID_SAVEPOINT_SPECIFICATION = "3B001";
    INVALID_CATALOG_NAME = "3D000";
    INVALID_SCHEMA_NAME = "3F000";
    TRANSACTION_ROLLBACK = "40000";
    SERIALIZATION_FAILURE = "40001";
    DEADLOCK_DETECTED = "40P01";
    SYNTAX_ERROR = "42601";
    INSUFFICIENT_PRIVILEGE = "42501";
    CANNOT_COERCE = "42846";
    GROUPING_ERROR = "42803";
    WINDOWING_ERROR = "42P20";
    INVALID_RECURSION = "42P19";
    INVALID_FOREIGN_KEY = "42830";
    INVALID_NAME = "42602";
    NAME_TOO_LONG = "42622";
    RESERVED_NAME = "42939";
    DATATYPE_MISMATCH = "42804";
    INDETERMINATE_DATATYPE = "42P18";
    COLLATION_MISMATCH = "42P21";
    WRONG_OBJECT_TYPE = "42809";
    GENERATED_ALWAYS = "428C9";
    UNDEFINED_COLUMN = "42703";
    UNDEFINED_FUNCTION = "42883";
    UNDEFINED_TABLE = "42P01";
    UNDEFINED_PARAMETER = "42P02";
    UNDEFINED_FILE = "58P01";
    UNDEFINED_OBJECT = "42704";
    DUPLICATE_COLUMN = "42701";
    DUPLICATE_CURSOR = "42P03";
    DUPLICATE_DATABASE = "42P04";
    DUPLICATE_FUNCTION = "42723";
    DUPLICATE_PREPARED_STATEMENT = "42P05";
    DUPLICATE_SCHEMA = "42P06";
    DUPLICATE_TABLE = "42P07";
    DUPLICATE_ALIAS = "42712";
    DUPLICATE_OBJECT = "42710";
    AMBIGUOUS_COLUMN = "42702";
    AMBIGUOUS_FUNCTION = "42725";
    AMBIGUOUS_ALIAS = "42P09";
    INVALID_COLUMN_REFERENCE = "42P10";
    INVALID_COLUMN_DEFINITION = "42611";
    INVALID_FUNCTION_DEFINITION = "42P13";
    INVALID_PREPARED_STATEMENT_DEFINITION = "42P14";
    INVALID_SCHEMA_DEFINITION = "42P15";
    INVALID_TABLE_DEFINITION = "42P16";
    INVALID_OBJECT_DEFINITION = "42P17";
    WITH_CHECK_OPTION_VIOLATION = "44000";
    INSUFFICIENT_RESOURCES = "53000";
    DISK_FULL = "53100";
    OUT_OF_MEMORY = "53200";
    TOO_MANY_CONNECTIONS = "53300";
    CONFIGURATION_LIMIT_EXCEEDED = "53400";
    PROGRAM_LIMIT_EXCEEDED = "54000";
    STATEMENT_TOO_COMPLEX = "54001";
    TOO_MANY_COLUMNS = "54011";
    TOO_MANY_ARGUMENTS = "54023";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
    OBJECT_IN_USE = "55006";
    CANT_CHANGE_RUNTIME_PARAM = "55P02";
    LOCK_NOT_AVAILABLE = "55P03";
    QUERY_CANCELED = "57014";
    ADMIN_SHUTDOWN = "57P01";
    CRASH_SHUTDOWN = "57P02";
    CANNOT_CONNECT_NOW = "57P03";
    IDLE_SESSION_TIMEOUT = "57P05";
    SYSTEM_ERROR = "58000";
    IO_ERROR = "58030";
    CONFIG_FILE_ERROR = "F0000";
    INTERNAL_ERROR = "XX000";
    DATA_CORRUPTED = "XX001";
    INDEX_CORRUPTED = "XX002";
}

/// How bad a report is, PostgreSQL's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// The server stops.
    Panic,
    /// Something to look at; the statement goes on.
    Warning,
    /// Information the user asked for or should know.
    Notice,
    /// As asked for by `RAISE INFO`-like commands.
    Info,
}

impl Severity {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
        }
    }
}

/// The result of anything that can fail with a report to the client.
pub type Result<T> = std::result::Result<T, Error>;

/// A PostgreSQL error or notice report. One word wide, so that `Result` stays small on hot paths.
#[derive(Clone)]
pub struct Error(Box<Report>);

/// The fields of a report, as in PostgreSQL's ErrorResponse.
#[derive(Clone, Debug)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// What the caller can do.
    pub sqlstate: SqlState,
    /// One lower-case line without a final period.
    pub message: String,
    /// A whole sentence or more.
    pub detail: Option<String>,
    /// A whole sentence: what to try.
    pub hint: Option<String>,
    /// 1-based position in the statement, in characters.
    pub position: Option<u32>,
    /// Context lines such as `COPY t, line 3`.
    pub context: Option<String>,
    /// Schema of the object the report is about.
    pub schema: Option<String>,
    /// Table the report is about.
    pub table: Option<String>,
    /// Column the report is about.
    pub column: Option<String>,
    /// Data type the report is about.
    pub data_type: Option<String>,
    /// Constraint the report is about.
    pub constraint: Option<String>,
}

impl Error {
    /// An error of severity ERROR.
    #[must_use]
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::with_severity(Severity::Error, sqlstate, message)
    }

    /// An error that ends the session.
    #[must_use]
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::with_severity(Severity::Fatal, sqlstate, message)
    }

    /// A notice or warning report.
    #[must_use]
    pub fn with_severity(severity: Severity, sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self(Box::new(Report {
            severity,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
        }))
    }

    /// `0A000` for something PostgreSQL has and OmenDB does not; `feature` is named in the message.
    #[must_use]
    pub fn unsupported(feature: impl fmt::Display) -> Self {
        Self::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{feature} is not supported yet"))
    }

    /// `XX000`: a report about ourselves.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(SqlState::INTERNAL_ERROR, message)
    }

    /// `XX001`: bytes on disk do not decode.
    #[must_use]
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(SqlState::DATA_CORRUPTED, message)
    }

    /// Adds the detail sentence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the hint sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the 1-based character position unless one is set already (the innermost place wins).
    #[must_use]
    pub fn at(mut self, position: u32) -> Self {
        if self.0.position.is_none() && position > 0 {
            self.0.position = Some(position);
        }
        self
    }

    /// Adds a context line.
    #[must_use]
    pub fn context(mut self, line: impl Into<String>) -> Self {
        let line = line.into();
        self.0.context = Some(match self.0.context.take() {
            Some(inner) => format!("{inner}\n{line}"),
            None => line,
        });
        self
    }

    /// Names the table the report is about.
    #[must_use]
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Self {
        self.0.schema = Some(schema.into());
        self.0.table = Some(table.into());
        self
    }

    /// Names the column the report is about.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    /// Names the constraint the report is about.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Into<String>) -> Self {
        self.0.constraint = Some(constraint.into());
        self
    }

    /// The code.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        self.0.sqlstate
    }

    /// All fields, for the wire and the log.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0
    }

    /// All fields, to adjust a report on its way up.
    #[must_use]
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0.message, self.0.sqlstate.as_str())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

/// Makes an [`Error`]: `error!(UNDEFINED_TABLE, "relation \"{name}\" does not exist")`.
#[macro_export]
macro_rules! error {
    ($state:ident, $($arg:tt)+) => {
        $crate::error::Error::new($crate::error::SqlState::$state, format!($($arg)+))
    };
}

/// Returns early with an [`Error`] built as by [`error!`].
#[macro_export]
macro_rules! bail {
    ($state:ident, $($arg:tt)+) => {
        return Err($crate::error!($state, $($arg)+))
    };
}
