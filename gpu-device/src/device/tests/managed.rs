//! Devices that a manager of virtual machines starts: with a connection instead of a socket, and
//! perhaps before there is a compositor.

use protocols::ipc::device::DeviceEvent;

use super::{
    fixture::{Device, HostIs},
    flush, show,
    vmm::Vmm,
};

#[test]
fn a_device_with_one_connection_is_shown_once_there_is_a_host_and_ends_with_its_vmm() {
    let (mut device, socket) = Device::start_managed();
    let mut vmm = Vmm::over(socket, 0, 0x7f00_0000_0000);
    vmm.start_generic();
    show(&mut vmm);
    while device.next_status() != DeviceEvent::Attached {}
    assert!(device.calls().contains(&"Newest".to_owned()));
    flush(&device, &mut vmm, 1);

    drop(vmm);

    device.wait_for_disconnect();
    device.join().unwrap();
}

#[test]
fn a_host_that_is_not_there_is_looked_for_until_it_is() {
    let (mut device, _socket) = Device::start_managed();
    device.host(HostIs::Gone);
    while device.calls().is_empty() {
        std::thread::yield_now();
    }
    device.host(HostIs::Well);
    while device.next_status() != DeviceEvent::Attached {}
}

#[test]
fn a_device_whose_manager_is_gone_before_its_vmm_came_ends() {
    let (device, socket) = Device::start_managed();
    drop(socket);
    device.join().unwrap();
}
