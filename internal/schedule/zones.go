package schedule

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// zoneData is the IANA time zone database (public domain) as Go 1.26
// distributes it; renew it with
// cp "$(go env GOROOT)/lib/time/zoneinfo.zip" internal/schedule/. It is carried here, and time.LoadLocation is
// not asked, because that one prefers the machine's own files: two nodes with
// different files would then disagree about who holds what.
//
//go:embed zoneinfo.zip
var zoneData []byte

const maxZoneName = 64

// zoneTable finds zones by name in lower case. It is built once from
// constants and never changes; each zone is read when first asked for.
var zoneTable = sync.OnceValue(func() map[string]func() (*time.Location, error) {
	table := map[string]func() (*time.Location, error){}
	archive, err := zip.NewReader(bytes.NewReader(zoneData), int64(len(zoneData)))
	if err != nil {
		// The embedded file is damaged: then no zone but UTC is known.
		return table
	}
	for _, f := range archive.File {
		if !f.FileInfo().IsDir() {
			table[strings.ToLower(f.Name)] = sync.OnceValues(func() (*time.Location, error) { return readZone(f) })
		}
	}
	for windows, iana := range windowsZones() {
		table[strings.ToLower(windows)] = table[strings.ToLower(iana)]
	}
	return table
})

func readZone(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", f.Name, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", f.Name, err)
	}
	return time.LoadLocationFromTZData(f.Name, data)
}

// zone finds a time zone by its IANA or Windows name, letter case ignored.
// No name means UTC.
func zone(name string) (*time.Location, error) {
	if name == "" || strings.EqualFold(name, "UTC") {
		return time.UTC, nil
	}
	if len(name) > maxZoneName {
		return nil, fmt.Errorf("time zone: name longer than %d bytes", maxZoneName)
	}
	load, ok := zoneTable()[strings.ToLower(name)]
	if !ok {
		return nil, fmt.Errorf("time zone %q is not known", name)
	}
	return load()
}

// windowsZones maps the Windows names that Graph clients send to IANA names,
// after the territory 001 of the Unicode CLDR's windowsZones table.
func windowsZones() map[string]string {
	return map[string]string{
		"Dateline Standard Time":          "Etc/GMT+12",
		"UTC-11":                          "Etc/GMT+11",
		"Hawaiian Standard Time":          "Pacific/Honolulu",
		"Alaskan Standard Time":           "America/Anchorage",
		"Pacific Standard Time":           "America/Los_Angeles",
		"Pacific Standard Time (Mexico)":  "America/Tijuana",
		"US Mountain Standard Time":       "America/Phoenix",
		"Mountain Standard Time":          "America/Denver",
		"Central America Standard Time":   "America/Guatemala",
		"Central Standard Time":           "America/Chicago",
		"Central Standard Time (Mexico)":  "America/Mexico_City",
		"Canada Central Standard Time":    "America/Regina",
		"SA Pacific Standard Time":        "America/Bogota",
		"Eastern Standard Time":           "America/New_York",
		"US Eastern Standard Time":        "America/Indiana/Indianapolis",
		"Atlantic Standard Time":          "America/Halifax",
		"SA Western Standard Time":        "America/La_Paz",
		"Pacific SA Standard Time":        "America/Santiago",
		"Newfoundland Standard Time":      "America/St_Johns",
		"E. South America Standard Time":  "America/Sao_Paulo",
		"Argentina Standard Time":         "America/Argentina/Buenos_Aires",
		"UTC-02":                          "Etc/GMT+2",
		"Azores Standard Time":            "Atlantic/Azores",
		"GMT Standard Time":               "Europe/London",
		"Greenwich Standard Time":         "Atlantic/Reykjavik",
		"Morocco Standard Time":           "Africa/Casablanca",
		"W. Europe Standard Time":         "Europe/Berlin",
		"Central Europe Standard Time":    "Europe/Budapest",
		"Romance Standard Time":           "Europe/Paris",
		"Central European Standard Time":  "Europe/Warsaw",
		"W. Central Africa Standard Time": "Africa/Lagos",
		"GTB Standard Time":               "Europe/Bucharest",
		"E. Europe Standard Time":         "Europe/Chisinau",
		"FLE Standard Time":               "Europe/Kiev",
		"Egypt Standard Time":             "Africa/Cairo",
		"South Africa Standard Time":      "Africa/Johannesburg",
		"Israel Standard Time":            "Asia/Jerusalem",
		"Turkey Standard Time":            "Europe/Istanbul",
		"Russian Standard Time":           "Europe/Moscow",
		"E. Africa Standard Time":         "Africa/Nairobi",
		"Arab Standard Time":              "Asia/Riyadh",
		"Arabian Standard Time":           "Asia/Dubai",
		"Iran Standard Time":              "Asia/Tehran",
		"Pakistan Standard Time":          "Asia/Karachi",
		"India Standard Time":             "Asia/Calcutta",
		"Nepal Standard Time":             "Asia/Katmandu",
		"Bangladesh Standard Time":        "Asia/Dhaka",
		"SE Asia Standard Time":           "Asia/Bangkok",
		"China Standard Time":             "Asia/Shanghai",
		"Singapore Standard Time":         "Asia/Singapore",
		"Taipei Standard Time":            "Asia/Taipei",
		"W. Australia Standard Time":      "Australia/Perth",
		"Tokyo Standard Time":             "Asia/Tokyo",
		"Korea Standard Time":             "Asia/Seoul",
		"Cen. Australia Standard Time":    "Australia/Adelaide",
		"AUS Central Standard Time":       "Australia/Darwin",
		"E. Australia Standard Time":      "Australia/Brisbane",
		"AUS Eastern Standard Time":       "Australia/Sydney",
		"Tasmania Standard Time":          "Australia/Hobart",
		"New Zealand Standard Time":       "Pacific/Auckland",
		"UTC+12":                          "Etc/GMT-12",
		"Tonga Standard Time":             "Pacific/Tongatapu",
		"Samoa Standard Time":             "Pacific/Apia",
	}
}

// wallClock is a time of day as a clock on the wall shows it.
type wallClock struct{ hour, minute, second, nano int }

func wallClockOf(t time.Time) wallClock {
	h, m, s := t.Clock()
	return wallClock{h, m, s, t.Nanosecond()}
}

// on is the instant at which clocks in loc show c on the day d. Where they
// jump over it, it is the instant after the gap; where they show it twice,
// the first. Package time promises neither.
func (c wallClock) on(d day, loc *time.Location) time.Time {
	y, m, dd := d.time().Date()
	t := time.Date(y, m, dd, c.hour, c.minute, c.second, c.nano, loc)
	if loc == time.UTC {
		return t
	}
	want := int64(d)*secondsPerDay + int64(c.hour*3600+c.minute*60+c.second)
	start, end := t.ZoneBounds()
	_, offset := t.Zone()
	switch shown := t.Unix() + int64(offset); {
	case shown > want && !start.IsZero():
		return start.UTC()
	case shown < want && !end.IsZero():
		return end.UTC()
	case start.IsZero() || t.Unix()-start.Unix() > offsetSpan:
		return t.UTC() // No change is near enough to have shown the time before.
	}
	_, before := start.Add(-1).Zone()
	if first := want - int64(before); first < start.Unix() {
		e := time.Unix(first, int64(c.nano)).In(loc)
		if _, o := e.Zone(); o == before {
			return e.UTC()
		}
	}
	return t.UTC()
}
