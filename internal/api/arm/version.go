package arm

import (
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
)

// isVersion says whether a text has the form of a version: a day, and for versions that are not final a word behind it.
func isVersion(s string) bool {
	day, word, _ := strings.Cut(s[:min(len(s), 40)], "-preview")
	_, err := time.Parse(time.DateOnly, day)
	return err == nil && word == "" && day >= "2010"
}

// versionOf reads the api-version, which every call has to name (reference arm-pim §1). All versions are one implementation.
func versionOf(r *api.Request) (string, error) {
	version := strings.ToLower(strings.TrimSpace(option(r, "api-version")))
	switch {
	case version == "":
		return "", &problem{Status: http.StatusBadRequest, Code: "MissingApiVersionParameter",
			Message: "The api-version query parameter (?api-version=) is required for all requests."}
	case !isVersion(version):
		return "", &problem{Status: http.StatusBadRequest, Code: "InvalidApiVersionParameter",
			Message: "The api-version '" + printable(version) + "' is invalid."}
	}
	return version, nil
}

// since says whether the version of the call is one of a day or later.
func (c *call) since(day string) bool { return c.version[:len(day)] >= day }

func printable(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '\'' {
			return -1
		}
		return r
	}, s)
}
