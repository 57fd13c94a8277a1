//! The command `compact`: makes array files small by reversible steps, and gives the arrays back.

use ndcompact::cli::{Exit, run};

fn main() -> Exit {
    run(std::env::args_os())
}
