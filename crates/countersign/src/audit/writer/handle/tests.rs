use std::io;
use std::sync::mpsc;

use super::*;

const SOON: Duration = Duration::from_secs(60);

/// An output that goes on with the next write only when it may.
struct Slow {
    read: mpsc::Sender<String>,
    may_go_on: mpsc::Receiver<()>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
        let _ = self.may_go_on.recv(); // once its sender is gone, nothing waits
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

#[test]
fn s11_04_a_blocked_output_drops_what_has_no_room_and_says_exactly_how_many() {
    const LINES: usize = 10;
    let (go_on, may_go_on) = mpsc::channel();
    let (read, heard) = mpsc::channel();
    let output = Output::Any(Box::new(Slow { read, may_go_on }));
    // Room for ten lines of one letter, those in the hands of the thread among them.
    let writer = AuditWriter::start(output, LINES * (2 + 64)).expect("a thread");
    let queue = &writer.0.0;
    queue.add(line("0"), true);
    assert_eq!(heard.recv_timeout(SOON).as_deref(), Ok("0\n"));
    for _ in 0..100 {
        queue.add(line("1"), false);
    }
    assert_eq!(queue.dropped(), [96, 0], "untrusted clients have half of the queue, and one line waits already");
    for _ in 0..100 {
        queue.add(line("2"), true);
    }
    assert_eq!(queue.dropped(), [96, 95]);
    assert!(!writer.flush(Duration::from_millis(1)), "it gives up");
    drop(go_on);
    assert!(writer.flush(SOON));
    assert_eq!((writer.written(), writer.dropped(), writer.failed()), (10, 191, 0));
    assert_eq!(heard.recv_timeout(SOON).as_deref(), Ok(&*format!("{}{}", "1\n".repeat(4), "2\n".repeat(5))));
    let notice: serde_json::Value = serde_json::from_str(&heard.recv_timeout(SOON).expect("a notice")).expect("JSON");
    assert_eq!(notice["type"], "countersign.audit.dropped");
    assert_eq!((&notice["dropped"], &notice["dropped_without_caller"]), (&191.into(), &96.into()));
    queue.add(line("3"), false);
    assert!(writer.flush(SOON));
    assert_eq!(heard.recv_timeout(SOON).as_deref(), Ok("3\n"), "there is room again, and nothing more to say");
}

#[test]
fn the_last_handle_writes_what_is_left() {
    let (read, heard) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    drop(go_on);
    let writer = AuditWriter::start(Output::Any(Box::new(Slow { read, may_go_on })), 1 << 20).expect("a thread");
    let other = writer.clone();
    drop(writer);
    (0..100).for_each(|n| other.0.0.add(line(&n.to_string()), true));
    drop(other);
    let lines: String = heard.iter().collect();
    assert_eq!(lines.lines().collect::<Vec<_>>(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_output_that_fails_or_panics_ends_nothing() {
    struct Bad(u32, mpsc::Sender<Vec<u8>>);

    impl Write for Bad {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::Error::from(io::ErrorKind::StorageFull)),
                2 => panic!("a fault of the output"),
                _ => {
                    let _ = self.1.send(bytes.to_vec());
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let (read, heard) = mpsc::channel();
    let writer = AuditWriter::new(Bad(0, read)).expect("a thread");
    for n in 0..3 {
        writer.0.0.add(line(&n.to_string()), true);
        assert!(writer.flush(SOON));
    }
    assert_eq!((writer.written(), writer.failed(), writer.dropped()), (1, 2, 0));
    assert_eq!(heard.recv_timeout(SOON), Ok(b"2\n".to_vec()));
}

#[test]
#[cfg(unix)]
fn a_file_that_was_renamed_is_opened_again_and_only_a_regular_one_is_taken() {
    use std::os::unix::fs::PermissionsExt;

    let folder = std::env::temp_dir().join(format!("countersign-audit-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let (path, old) = (folder.join("audit.jsonl"), folder.join("audit.jsonl.1"));
    std::fs::write(&path, "before\n").expect("written");
    let writer = AuditWriter::with_file(&path).expect("opened");
    let write = |text: &str| {
        writer.0.0.add(line(text), true);
        assert!(writer.flush(SOON));
    };
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("there");
    write("one");
    std::fs::rename(&path, &old).expect("renamed");
    write("two");
    assert_eq!((read(&old), read(&path)), ("before\none\n".to_owned(), "two\n".to_owned()));
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&path).expect("removed");
    write("three");
    assert_eq!(read(&path), "three\n");
    std::fs::write(&path, "").expect("truncated, as copytruncate does");
    write("four");
    assert_eq!(read(&path), "four\n");
    // A folder in which nothing can be created stands for one that the service may not write to.
    let (elsewhere, moved) = (folder.join("folder"), folder.join("moved"));
    std::fs::create_dir(&elsewhere).expect("a folder");
    let other = AuditWriter::with_file(elsewhere.join("audit.jsonl")).expect("opened");
    std::fs::rename(&elsewhere, &moved).expect("renamed");
    let write_other = |text: &str| {
        other.0.0.add(line(text), true);
        assert!(other.flush(SOON));
    };
    write_other("five");
    assert_eq!((read(&moved.join("audit.jsonl")), other.failed()), ("five\n".to_owned(), 0));
    std::fs::remove_file(moved.join("audit.jsonl")).expect("removed");
    write_other("six");
    assert_eq!((other.written(), other.failed()), (1, 1), "a removed file takes no lines");
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for path in [folder.as_path(), pipe.as_path(), std::path::Path::new("/dev/null")] {
        let error = AuditWriter::with_file(path).expect_err("no regular file").to_string();
        assert!(error.contains(&*path.to_string_lossy()) && error.contains("AuditWriter::new"), "{error}");
    }
    drop(writer);
    std::fs::remove_dir_all(&folder).expect("removed");
}
