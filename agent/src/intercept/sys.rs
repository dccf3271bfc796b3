//! Calls of the kernel that no crate of ours offers. Nothing here knows what they are for.

mod bpf;
mod socket;

pub(super) use bpf::{
    LinkInfo, Target, create_link, detach_link, effective_programs, link_info, open_pin, pin,
    set_socket_storage, update_link,
};
pub(super) use socket::{is_listening, namespace_of, netns_cookie, raise_loopback, socket_cookie};
