//! A daemon for the tests: the program itself, so that a fresh clone has one.

fn main() -> std::process::ExitCode {
    mirrormesh::cli::main()
}
