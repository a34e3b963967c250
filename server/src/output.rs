//! Lines for people on standard output and standard error. They are best effort: unlike those of
//! `println!`, they may end in a closed pipe or on a full disk.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Prints a line to standard output. Errors are ignored.
pub fn print_line(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line to standard error. Errors are ignored.
pub fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
