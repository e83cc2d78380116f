//! Forged, bent and ambiguous tokens, each refused for its own reason. They go in by the front
//! door: the public API alone.

#[cfg(test)]
mod form;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod key;
#[cfg(test)]
mod signature;
