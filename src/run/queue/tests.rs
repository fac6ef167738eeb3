use super::*;
use crate::run::directory::RunDir;
use crate::run::store::{NewRun, Store};

fn home() -> (tempfile::TempDir, Queue) {
    let home = tempfile::tempdir().unwrap();
    let queue = Queue::new(home.path(), "here");
    (home, queue)
}

fn run(home: &tempfile::TempDir, name: &str) -> RunDir {
    Store::new(home.path()).create(NewRun { name, ..NewRun::default() }).unwrap()
}

fn seat(keys: &[&str]) -> Vec<Seat> {
    keys.iter().map(|key| Seat { key: key.to_string(), device: key.replace('-', ":") }).collect()
}

fn draw(home: &tempfile::TempDir, queue: &Queue, name: &str, keys: &[&str]) -> Ticket {
    Ticket::draw(queue, &run(home, name), seat(keys)).unwrap()
}

/// The device of a ticket whose turn it is; its mark is to be kept.
fn seated(ticket: &mut Ticket) -> (Mark, String) {
    match ticket.look().unwrap() {
        Look::Seated(mark, seat) => (mark, seat.key),
        Look::Waits { before } => panic!("it waits behind {before}"),
    }
}

fn before(ticket: &mut Ticket) -> usize {
    match ticket.look().unwrap() {
        Look::Waits { before } => before,
        Look::Seated(_, seat) => panic!("it got {}", seat.key),
    }
}

fn waiting(queue: &Queue) -> Vec<String> {
    queue.look().unwrap().waiting.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn the_first_to_come_is_the_first_to_work_and_one_at_a_time() {
    let (home, queue) = home();
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| draw(&home, &queue, name, &["cpu"]));
    assert_eq!((before(&mut b), before(&mut c)), (1, 2), "b is not before a, also where the slot is free");
    let (slot, _) = seated(&mut a);
    assert_eq!((before(&mut b), before(&mut c)), (0, 1));
    assert_eq!(waiting(&queue), ["b", "c"]);
    drop(slot);
    let _slot = seated(&mut b);
    assert_eq!(before(&mut c), 0);
    let listing = queue.look().unwrap();
    assert_eq!((listing.devices[0].slots, listing.devices[0].at_work[0].name.as_str()), (1, "b"));
}

#[test]
fn who_leaves_the_queue_lets_the_next_one_up() {
    let (home, queue) = home();
    let _works = queue.take_now(&run(&home, "now"), &seat(&["cpu"])).unwrap();
    let [a, mut b] = ["a", "b"].map(|name| draw(&home, &queue, name, &["cpu"]));
    assert_eq!(before(&mut b), 1);
    drop(a);
    assert_eq!((before(&mut b), waiting(&queue)), (0, vec!["b".into()]));
}

#[test]
fn what_a_dead_process_left_holds_nobody_up_and_is_removed() {
    let (home, queue) = home();
    let (mut a, mut b) = (draw(&home, &queue, "a", &["cpu"]), draw(&home, &queue, "b", &["cpu"]));
    let slot = seated(&mut a);
    // The files of processes that were killed: there, and nobody's.
    let copy = |folder: PathBuf, name: &str| {
        let of = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        fs::copy(of, folder.join(name)).unwrap();
    };
    copy(queue.work_folder("cpu"), "dead.1");
    copy(queue.waiting_folder(), "00000000000000000000-dead.1");
    assert_eq!((before(&mut b), waiting(&queue)), (0, vec!["b".into()]));
    drop(slot);
    let _slot = seated(&mut b);
    assert_eq!(fs::read_dir(queue.waiting_folder()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(queue.work_folder("cpu")).unwrap().count(), 1);
}

#[test]
fn a_run_started_at_once_is_never_kept_and_those_that_wait_wait_for_it() {
    let (home, queue) = home();
    let take = |name: &str| queue.take_now(&run(&home, name), &seat(&["cpu"])).unwrap().unwrap().0;
    let (first, second) = (take("1"), take("2"));
    let mut waits = draw(&home, &queue, "w", &["cpu"]);
    assert_eq!(before(&mut waits), 0);
    drop(first);
    assert_eq!(before(&mut waits), 0, "the second is still at work");
    drop(second);
    seated(&mut waits);
    assert_eq!(queue.take_now(&run(&home, "3"), &[]).unwrap().map(|(_, seat)| seat), None);
}

#[test]
fn of_several_devices_the_first_free_one_is_taken_and_other_devices_hold_nobody_up() {
    let (home, queue) = home();
    let (mut any, mut second) =
        (draw(&home, &queue, "any", &["cuda-0", "cuda-1"]), draw(&home, &queue, "2", &["cuda-1"]));
    assert_eq!(before(&mut second), 1, "any may take its device");
    let mut cpu = draw(&home, &queue, "cpu", &["cpu"]);
    let _cpu = seated(&mut cpu);
    let busy = queue.take_now(&run(&home, "0"), &seat(&["cuda-0"])).unwrap();
    let (slot, device) = seated(&mut any);
    assert_eq!(device, "cuda-1");
    assert_eq!(before(&mut second), 0);
    drop(slot);
    assert_eq!(seated(&mut second).1, "cuda-1");
    let taken = queue.take_now(&run(&home, "now"), &seat(&["cuda-0", "cuda-1"])).unwrap().unwrap();
    assert_eq!(taken.1.key, "cuda-1", "cuda-0 is busy");
    drop(busy);
}

#[test]
fn a_device_is_crowded_where_no_slot_of_any_that_may_be_taken_is_free() {
    let (home, queue) = home();
    let crowd = |keys: &[&str]| queue.look().unwrap().crowd(&seat(keys)).map(|crowd| crowd.to_string());
    assert_eq!((crowd(&["cpu"]), crowd(&[])), (None, None));
    let take = |name: &str, key: &str| queue.take_now(&run(&home, name), &seat(&[key])).unwrap().unwrap().0;
    let _first = take("a", "cuda-0");
    let told = crowd(&["cuda-0"]).unwrap();
    assert!(told.starts_with("cuda-0 is in use by run ") && told.ends_with(" (a); both will be slower"), "{told}");
    assert_eq!((crowd(&["cuda-0", "cuda-1"]), crowd(&["cpu"])), (None, None), "the other one is free");
    let _second = take("b", "cuda-1");
    assert!(crowd(&["cuda-0", "cuda-1"]).unwrap().starts_with("cuda-0 "));
    queue.set_slots("cuda-1", 2).unwrap();
    assert_eq!(crowd(&["cuda-0", "cuda-1"]), None);
    let _more = ["c", "d", "e"].map(|name| take(name, "cuda-0"));
    assert!(crowd(&["cuda-0"]).unwrap().ends_with(" and 1 more; all will be slower"));
}

#[test]
fn slots_are_as_many_as_the_user_says() {
    let (home, queue) = home();
    let mut tickets = ["a", "b", "c"].map(|name| draw(&home, &queue, name, &["cpu"]));
    let _first = seated(&mut tickets[0]);
    assert_eq!(before(&mut tickets[1]), 0);
    queue.set_slots("cpu", 2).unwrap();
    let _second = seated(&mut tickets[1]);
    assert_eq!(before(&mut tickets[2]), 0);
    fs::write(queue.slots_path("cpu"), "nonsense").unwrap();
    assert_eq!(queue.slots("cpu"), 1);
}

#[test]
fn a_run_is_put_before_the_others_and_keeps_its_ticket() {
    let (home, queue) = home();
    let _works = queue.take_now(&run(&home, "now"), &seat(&["cpu"])).unwrap();
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| draw(&home, &queue, name, &["cpu"]));
    let id = |name: &str| queue.look().unwrap().waiting.into_iter().find(|entry| entry.name == name).unwrap().run;
    assert!(queue.put_first(&id("c")).unwrap());
    assert_eq!((before(&mut c), before(&mut a), before(&mut b)), (0, 1, 2));
    assert!(queue.put_first(&id("b")).unwrap());
    assert!(queue.put_first(&id("b")).unwrap(), "it is first already");
    assert_eq!(waiting(&queue), ["b", "c", "a"]);
    assert_eq!(queue.look().unwrap().place(&id("a")), Some(3));
    let after = draw(&home, &queue, "d", &["cpu"]);
    assert_eq!(waiting(&queue), ["b", "c", "a", "d"]);
    assert!(!queue.put_first("nobody").unwrap());
    drop((b, after));
    assert_eq!(waiting(&queue), ["c", "a"], "a ticket that was moved is taken along");
}

#[test]
fn a_queue_whose_folder_was_cleared_is_lined_up_again() {
    let (home, queue) = home();
    let works = queue.take_now(&run(&home, "now"), &seat(&["cpu"])).unwrap();
    let mut a = draw(&home, &queue, "a", &["cpu"]);
    fs::remove_dir_all(home.path().join("queue")).unwrap();
    before(&mut a);
    assert_eq!(waiting(&queue), ["a"]);
    drop(works);
    seated(&mut a);
}

#[test]
fn a_look_is_due_when_someone_comes_or_goes() {
    let (home, queue) = home();
    let works = queue.take_now(&run(&home, "now"), &seat(&["cpu"])).unwrap();
    let mut a = draw(&home, &queue, "a", &["cpu"]);
    assert!(a.is_due() && !a.is_due());
    let pause = || std::thread::sleep(Duration::from_millis(20)); // The clock of a file system is coarse.
    pause();
    let b = draw(&home, &queue, "b", &["cpu"]);
    assert!(a.is_due() && !a.is_due());
    pause();
    drop(b);
    assert!(a.is_due() && !a.is_due());
    pause();
    queue.set_slots("cpu", 1).unwrap();
    assert!(a.is_due() && !a.is_due());
    pause();
    drop(works);
    assert!(a.is_due());
}

#[test]
fn names_of_hosts_and_devices_are_names_of_files() {
    assert_eq!(["a/b", "..", "cuda-GPU-1.x", ""].map(mark::file_name), ["a_b", "_..", "cuda-GPU-1.x", ""]);
    let (home, queue) = home();
    assert!(queue.look().unwrap().devices.is_empty());
    assert_eq!(Queue::all(home.path()).len(), 1);
    let _here = draw(&home, &queue, "a", &["cpu"]);
    assert_eq!(Queue::all(home.path()).last().map(|queue| queue.host().to_owned()), Some("here".into()));
}
