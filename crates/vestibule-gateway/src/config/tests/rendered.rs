//! The whole text of some reports, as a person reads them.

use super::*;
