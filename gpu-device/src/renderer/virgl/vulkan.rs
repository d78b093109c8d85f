//! Whether the host has Vulkan, and which.
//!
//! The library offers venus wherever it was built with it; what a guest can do with it depends on the
//! host's drivers, which are asked here as a program would, once and before any guest runs.

use std::{
    ffi::{CStr, c_char, c_void},
    ptr,
};

use libloading::os::unix::{Library as File, RTLD_LOCAL, RTLD_NOW};

use super::egl::text;

/// VK_STRUCTURE_TYPE_APPLICATION_INFO.
const APPLICATION_INFO: u32 = 0;
/// VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO.
const INSTANCE_CREATE_INFO: u32 = 1;
/// VK_INCOMPLETE: there is more than what was asked for.
const INCOMPLETE: i32 = 5;
/// Vulkan 1.1, which venus needs.
const VERSION_1_1: u32 = 1 << 22 | 1 << 12;

type Proc = unsafe extern "C" fn();
type GetInstanceProcAddr = unsafe extern "C" fn(*mut c_void, *const c_char) -> Option<Proc>;
type CreateInstance =
    unsafe extern "C" fn(*const InstanceInfo, *const c_void, *mut *mut c_void) -> i32;
type DestroyInstance = unsafe extern "C" fn(*mut c_void, *const c_void);
type EnumerateDevices = unsafe extern "C" fn(*mut c_void, *mut u32, *mut *mut c_void) -> i32;
type GetProperties = unsafe extern "C" fn(*mut c_void, *mut Properties);

/// `VkApplicationInfo`.
#[repr(C)]
struct ApplicationInfo {
    kind: u32,
    next: *const c_void,
    name: *const c_char,
    version: u32,
    engine_name: *const c_char,
    engine_version: u32,
    api_version: u32,
}

/// `VkInstanceCreateInfo`.
#[repr(C)]
struct InstanceInfo {
    kind: u32,
    next: *const c_void,
    flags: u32,
    application: *const ApplicationInfo,
    layer_count: u32,
    layers: *const *const c_char,
    extension_count: u32,
    extensions: *const *const c_char,
}

/// The beginning of `VkPhysicalDeviceProperties`, which has 824 bytes, and room for the rest.
#[repr(C, align(8))]
struct Properties {
    api_version: u32,
    driver_version: u32,
    vendor: u32,
    device: u32,
    kind: u32,
    name: [c_char; 256],
    rest: [u8; 1024],
}

/// The first device of the host's that Vulkan can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What it is.
    pub name: String,
    /// The version of Vulkan that its driver has, like `1.3`.
    pub version: String,
}

/// Asks for the first device; `None` where the loader or drivers are missing.
pub fn device() -> Option<Device> {
    // SAFETY: the loader of Vulkan may be loaded at any time. It is never unloaded: drivers leave
    // threads and exit handlers behind.
    let file = unsafe { File::open(Some("libvulkan.so.1"), RTLD_NOW | RTLD_LOCAL) }.ok()?;
    let file = std::mem::ManuallyDrop::new(file);
    // SAFETY: the type is that of Vulkan 1.0.
    let find = unsafe { file.get::<GetInstanceProcAddr>(b"vkGetInstanceProcAddr\0") }.ok()?;
    let instance = Instance::new(*find)?;
    instance.first_device()
}

/// A `VkInstance`, gone when it is dropped.
struct Instance {
    find: GetInstanceProcAddr,
    instance: *mut c_void,
    destroy: DestroyInstance,
}

impl Instance {
    fn new(find: GetInstanceProcAddr) -> Option<Self> {
        // SAFETY: the name ends with a zero; `vkCreateInstance` is found without an instance.
        let create = unsafe { find(ptr::null_mut(), c"vkCreateInstance".as_ptr()) }?;
        // SAFETY: the type is that of Vulkan 1.0.
        let create = unsafe { std::mem::transmute::<Proc, CreateInstance>(create) };
        let application = ApplicationInfo {
            kind: APPLICATION_INFO,
            next: ptr::null(),
            name: c"lucarne".as_ptr(),
            version: 0,
            engine_name: ptr::null(),
            engine_version: 0,
            api_version: VERSION_1_1,
        };
        let info = InstanceInfo {
            kind: INSTANCE_CREATE_INFO,
            next: ptr::null(),
            flags: 0,
            application: ptr::from_ref(&application),
            layer_count: 0,
            layers: ptr::null(),
            extension_count: 0,
            extensions: ptr::null(),
        };
        let mut instance = ptr::null_mut();
        let place = ptr::from_mut(&mut instance);
        // SAFETY: the structs are Vulkan's and live as long as the call, which writes one pointer.
        let made = unsafe { create(ptr::from_ref(&info), ptr::null(), place) };
        if made != 0 || instance.is_null() {
            return None;
        }
        let destroy = procedure(find, instance, c"vkDestroyInstance")?;
        Some(Self {
            find,
            instance,
            // SAFETY: the type is that of Vulkan 1.0.
            destroy: unsafe { std::mem::transmute::<Proc, DestroyInstance>(destroy) },
        })
    }

    fn first_device(&self) -> Option<Device> {
        let find = |name| procedure(self.find, self.instance, name);
        let enumerate = find(c"vkEnumeratePhysicalDevices")?;
        // SAFETY: the type is that of Vulkan 1.0.
        let enumerate = unsafe { std::mem::transmute::<Proc, EnumerateDevices>(enumerate) };
        let get_properties = find(c"vkGetPhysicalDeviceProperties")?;
        // SAFETY: the type is that of Vulkan 1.0.
        let get_properties = unsafe { std::mem::transmute::<Proc, GetProperties>(get_properties) };
        let (mut count, mut device) = (1, ptr::null_mut());
        let (counted, first) = (ptr::from_mut(&mut count), ptr::from_mut(&mut device));
        // SAFETY: the instance lives, and there is room for the one device that is asked for.
        let found = unsafe { enumerate(self.instance, counted, first) };
        if !matches!(found, 0 | INCOMPLETE) || count == 0 || device.is_null() {
            return None;
        }
        let mut properties = Properties {
            api_version: 0,
            driver_version: 0,
            vendor: 0,
            device: 0,
            kind: 0,
            name: [0; 256],
            rest: [0; 1024],
        };
        // SAFETY: the device is the instance's, and there is room for all properties.
        unsafe { get_properties(device, ptr::from_mut(&mut properties)) };
        // SAFETY: the driver has written a text with a zero at its end.
        let name = unsafe { text(properties.name.as_ptr()) };
        Some(Device {
            name,
            version: version(properties.api_version),
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the instance is ours, and nothing of it is used any more.
        unsafe { (self.destroy)(self.instance, ptr::null()) };
    }
}

fn procedure(find: GetInstanceProcAddr, instance: *mut c_void, name: &CStr) -> Option<Proc> {
    // SAFETY: the instance lives, and the name ends with a zero.
    unsafe { find(instance, name.as_ptr()) }
}

/// `1.3` of a version in Vulkan's bits.
fn version(bits: u32) -> String {
    format!("{}.{}", bits >> 22 & 0x7f, bits >> 12 & 0x3ff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_bits() {
        assert_eq!(version(VERSION_1_1), "1.1");
        assert_eq!(version(1 << 22 | 3 << 12 | 274), "1.3");
    }
}
