//! The answers that never change, by their path.

static FILLING: [u8; 1_000_000] = [b'x'; 1_000_000];
pub const HELLO: &str = "hello world";

pub fn of(path: &str) -> Option<&'static str> {
    let bytes = match path {
        "/" | "/readyz" => return Some(HELLO),
        "/16k" => 16 * 1024,
        "/64k" => 64 * 1024,
        "/1m" => FILLING.len(),
        _ => return None,
    };
    std::str::from_utf8(&FILLING[..bytes]).ok()
}
