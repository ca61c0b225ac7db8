//! See the library.

fn main() -> std::process::ExitCode {
    mirrormesh::cli::main()
}
