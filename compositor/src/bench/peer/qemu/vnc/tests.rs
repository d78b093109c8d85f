use std::os::unix::net::UnixListener;

use super::*;

/// A server of a picture of 4x2 pixels.
struct Server(UnixStream);

impl Server {
    fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        let mut server = Self(stream);
        server.send(b"RFB 003.008\n");
        assert_eq!(server.take(12), VERSION);
        server.send(&[2, 2, 1]);
        assert_eq!(server.take(1), [1], "it takes the kind without a password");
        server.send(&[0; 4]);
        server.take(1);
        server.send(&[0, 4, 0, 2]);
        server.send(&[0; 16]);
        server.send(&[0, 0, 0, 5]);
        server.send(b"QEMU ");
        let format = server.take(20);
        assert_eq!(format[4..8], [32, 24, 0, 1]);
        assert_eq!(server.take(12)[..4], [2, 0, 0, 2]);
        server
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The request for an update: whether only of what has changed, and its size.
    fn request(&mut self) -> (bool, [u8; 4]) {
        let request = self.take(10);
        assert_eq!(request[0], 3);
        (request[1] == 1, request[6..].try_into().unwrap())
    }
}

#[test]
fn every_update_with_pixels_is_a_frame_and_the_next_is_asked_for_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vnc");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let mut server = Server::accept(&listener);
        assert_eq!(server.request(), (false, [0, 4, 0, 2]));
        // A bell, and two rectangles of two pixels.
        server.send(&[2]);
        server.send(&[0, 0, 0, 2]);
        for row in [0, 1] {
            server.send(&[0, 0, 0, row, 0, 2, 0, 1, 0, 0, 0, 0]);
            server.send(&[7; 8]);
        }
        assert_eq!(server.request(), (true, [0, 4, 0, 2]));
        // Another size.
        server.send(&[0, 0, 0, 1]);
        server.send(&[0, 0, 0, 0, 0, 8, 0, 4, 0xff, 0xff, 0xff, 0x21]);
        assert_eq!(server.request(), (false, [0, 8, 0, 4]));
    });
    let viewer = VncViewer::start(&socket).unwrap();
    server.join().unwrap();
    assert_eq!(viewer.frames(), 1);
}

#[test]
fn a_server_that_wants_a_password_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vnc");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"RFB 003.008\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream.write_all(&[1, 2]).unwrap();
    });
    let error = VncViewer::start(&socket).unwrap_err();
    server.join().unwrap();
    assert!(format!("{error:#}").contains("password"), "{error:#}");
}
