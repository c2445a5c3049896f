//! The commands, each in its file.

mod completions;
mod copy;
mod delete;
mod digests;
mod gc;
mod inspect;
mod list;
mod listed;
#[cfg(feature = "registry")]
mod login;
#[cfg(feature = "registry")]
mod logout;
mod man;
mod plan_table;
mod reference;
#[cfg(feature = "serve")]
mod serve;
mod sign;
mod sync;
mod transports;
mod verify;

use transship::Transports;
use transship::transport::Transport;

use crate::args::Command;
use crate::exit::Result;
use crate::session::Session;

pub(crate) async fn run(command: Command, session: &Session) -> Result {
    match command {
        Command::Copy(args) => copy::run(args, session).await,
        Command::List(args) => list::run(args, session).await,
        Command::Inspect(args) => inspect::run(args, session).await,
        Command::Verify(args) => verify::run(args, session).await,
        Command::Sign(args) => sign::run(args, session).await,
        Command::Digests(args) => digests::run(args, session).await,
        #[cfg(feature = "registry")]
        Command::Login(args) => login::run(args, session).await,
        #[cfg(feature = "registry")]
        Command::Logout(args) => logout::run(args, session).await,
        Command::Delete(args) => delete::run(args, session).await,
        Command::Sync(args) => sync::run(args, session).await,
        Command::Gc(args) => gc::run(args, session).await,
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, session).await,
        Command::Reference(args) => reference::run(&args),
        Command::Transports(args) => transports::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(args),
    }
}

/// The transports that can do something, for messages: `oci:, oci-archive:`.
fn able(known: &Transports, can: impl Fn(&dyn Transport) -> bool) -> String {
    let able = known.iter().filter(|transport| can(&***transport));
    able.map(|transport| format!("{}:", transport.scheme())).collect::<Vec<_>>().join(", ")
}
