//! The matcher of the content guard, as the kernel runs it, on bytes of real clients, of generators and of chance.

#[cfg(test)]
mod captures;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod hello;
#[cfg(test)]
mod hellos;
#[cfg(test)]
mod order;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod startups;
#[cfg(test)]
mod stream;
