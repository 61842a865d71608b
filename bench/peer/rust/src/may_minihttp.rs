//! The peer may_minihttp: may_minihttp_peer PORT on 127.0.0.1, one worker; until it is killed.
//!
//! It never closes a connection, whatever the client asks for.

mod contents;

use std::io::{self, Read};

use may_minihttp::{HttpServer, HttpService, Request, Response};

#[derive(Clone)]
struct Peer;

impl HttpService for Peer {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        if request.path() == "/echo" {
            let mut whole = Vec::new();
            request.body().read_to_end(&mut whole)?;
            response.body_vec(whole);
        } else if let Some(content) = contents::of(request.path()) {
            response.body(content);
        } else {
            response.status_code(404, "Not Found");
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    may::config().set_workers(1);
    let port = std::env::args().nth(1).unwrap_or_default();
    let server = HttpServer(Peer).start(format!("127.0.0.1:{port}"))?;
    server.join().map_err(|_| io::Error::other("it ended"))
}
