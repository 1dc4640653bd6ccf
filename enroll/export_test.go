package enroll

var DeviceSerial = deviceSerial
