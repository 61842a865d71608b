//! The peer hyper: hyper_peer PORT on 127.0.0.1, one thread of tokio; until it is killed.

mod contents;

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

type Answer = Response<Full<Bytes>>;

fn ok(content: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(content.into()))
}

fn failed(status: StatusCode) -> Answer {
    let mut answer = ok("");
    *answer.status_mut() = status;
    answer
}

async fn echo(body: Incoming) -> Answer {
    match body.collect().await {
        Ok(whole) => ok(whole.to_bytes()),
        Err(_) => failed(StatusCode::BAD_REQUEST),
    }
}

async fn upload(mut body: Incoming) -> Answer {
    while let Some(piece) = body.frame().await {
        if piece.is_err() {
            return failed(StatusCode::BAD_REQUEST);
        }
    }
    ok(contents::HELLO)
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(match request.uri().path() {
        "/echo" => echo(request.into_body()).await,
        "/upload" => upload(request.into_body()).await,
        path => contents::of(path).map_or_else(|| failed(StatusCode::NOT_FOUND), ok),
    })
}

async fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut connection = http1::Builder::new();
    connection.pipeline_flush(true);
    let _ = connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn listen(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    one_thread.block_on(listen(port))
}
