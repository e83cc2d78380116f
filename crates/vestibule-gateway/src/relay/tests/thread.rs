//! The thread's one wait: what wakes it.

use std::{io::Write, net, rc::Rc, thread};

use mio::net::TcpListener;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Notify, oneshot},
    task::{spawn_local, yield_now},
};

use super::{super::Watched, rig::run};

#[test]
fn a_task_is_woken_from_another_thread_while_nothing_else_comes() {
    run(async |_| {
        for round in 0..1000 {
            let (tell, told) = oneshot::channel();
            let teller = thread::spawn(move || tell.send(round));
            assert_eq!(told.await, Ok(round));
            teller.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_task_is_woken_by_another_of_the_thread() {
    run(async |_| {
        let (there, back) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (hears, answers) = (Rc::clone(&there), Rc::clone(&back));
        let echo = spawn_local(async move {
            for _ in 0..1000 {
                hears.notified().await;
                answers.notify_one();
            }
        });
        for _ in 0..1000 {
            there.notify_one();
            back.notified().await;
        }
        echo.await.unwrap();
    });
}

#[test]
fn tasks_that_never_wait_leave_sockets_their_turn() {
    run(async |rig| {
        let busy = spawn_local(async {
            loop {
                yield_now().await;
            }
        });
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut near = Watched::client(rig.relay.seat(), near);
        let teller = thread::spawn(move || client.write_all(b"x").map(|()| client));
        let mut byte = [0];
        near.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");
        let _client = teller.join().unwrap().unwrap();
        busy.abort();
    });
}

#[test]
fn all_that_knock_are_let_in_however_many_come_at_once() {
    run(async |rig| {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = rig.relay.listen(TcpListener::from_std(listener)).unwrap();
        for several in [1, 2, 7, 1] {
            let knocking = async {
                for _ in 0..several {
                    TcpStream::connect(address).await.unwrap();
                }
            };
            let opening = async {
                for _ in 0..several {
                    listener.accept().await.unwrap();
                }
            };
            tokio::join!(opening, knocking);
        }
    });
}
