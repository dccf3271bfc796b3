//! Socket storage for any program type.
//!
//! aya-ebpf 0.2's own `SkStorage` takes only a `SockAddrContext` and fixes the map's flags, so the map
//! definition stands here. Its fields are what a loader reads from BTF; they are never dereferenced.

use core::{marker::PhantomData, ptr};

use aya_ebpf::{
    bindings::{
        BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type::BPF_MAP_TYPE_SK_STORAGE,
        bpf_sock,
    },
    helpers::generated::bpf_sk_storage_get,
};

/// The flag that the kernel demands of every socket storage map.
pub(crate) const PLAIN: usize = BPF_F_NO_PREALLOC as usize;
/// The same, and an accepted socket inherits its listener's value.
pub(crate) const INHERITED: usize = (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize;

/// A `BPF_MAP_TYPE_SK_STORAGE` map of `T`. The names and the order of the fields are the loader's.
#[repr(C)]
pub(crate) struct SkStorage<T, const FLAGS: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
    _value: PhantomData<T>,
}

// SAFETY: a placeholder that the loader patches; nothing is ever read or written through its pointers.
unsafe impl<T, const FLAGS: usize> Sync for SkStorage<T, FLAGS> {}

impl<T, const FLAGS: usize> SkStorage<T, FLAGS> {
    /// The placeholder that the loader fills in.
    pub(crate) const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
            _value: PhantomData,
        }
    }

    #[inline(always)]
    fn map(&self) -> *mut core::ffi::c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// The socket's value, or null.
    ///
    /// # Safety
    ///
    /// `sk` is the socket of the running program's context, checked against null where the verifier
    /// asks for it. What the result points to is valid until the program ends.
    #[inline(always)]
    pub(crate) unsafe fn get(&self, sk: *mut bpf_sock) -> *mut T {
        // SAFETY: the map is ours and `sk` is as the caller promises; without the create flag the
        // value may be null.
        unsafe { bpf_sk_storage_get(self.map(), sk.cast(), ptr::null_mut(), 0) }.cast()
    }

    /// The socket's value, all zero where it had none; null if the kernel had no memory for it or the socket's
    /// allowance (`net.core.optmem_max`) is used up.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get); and all bits zero is a value of `T`.
    #[inline(always)]
    pub(crate) unsafe fn get_or_zero(&self, sk: *mut bpf_sock) -> *mut T {
        let create = BPF_SK_STORAGE_GET_F_CREATE.into();
        // SAFETY: the map is ours and `sk` is as the caller promises.
        unsafe { bpf_sk_storage_get(self.map(), sk.cast(), ptr::null_mut(), create) }.cast()
    }

    /// Gives the socket this value, in place of the one that it may have; false if the kernel had no
    /// memory for it or the socket's allowance (`net.core.optmem_max`) is used up.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get); and `value` has no padding, because the kernel copies all its bytes.
    #[inline(always)]
    pub(crate) unsafe fn set(&self, sk: *mut bpf_sock, value: &T) -> bool
    where
        T: Copy,
    {
        let initial = ptr::from_ref(value).cast_mut().cast();
        // SAFETY: the map is ours, `sk` is as the caller promises, and the helper only reads `value`.
        let stored: *mut T =
            unsafe { bpf_sk_storage_get(self.map(), sk.cast(), initial, BPF_SK_STORAGE_GET_F_CREATE.into()) }
                .cast();
        if stored.is_null() {
            return false;
        }
        // The helper takes `value` only where there was none.
        // SAFETY: not null, so it is the socket's value, `size_of::<T>()` bytes long.
        unsafe { *stored = *value };
        true
    }
}
