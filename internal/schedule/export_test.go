package schedule

// Zone gives tests the embedded zones.
var Zone = zone

// WindowsZones gives tests the table of Windows names.
var WindowsZones = windowsZones
