//! Every bound of the gateway that is not the core's. A value that a configuration may change is a
//! default here.

/// Places of the relay that a command looks at before bytes pass again: some tens of microseconds.
pub const COMMAND_PLACES: u32 = 500;
/// Commands that wait for one worker; whoever has one more waits for room.
pub const COMMANDS_WAITING: usize = 64;
/// Commands that one worker works on at once.
pub const COMMANDS_AT_ONCE: usize = 8;
/// Most connections on one page of a list.
pub const LISTED: usize = 1000;
/// Connections on a page where nobody says how many.
pub const LISTED_BY_DEFAULT: usize = 100;
