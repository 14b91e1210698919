package scim

import (
	"net/http"
	"strconv"
	"strings"

	"portcullis/internal/directory"
)

// versionOf is the weak entity tag of a resource (RFC 7644 §3.14): every change raises the instant that it is made of.
func versionOf(o directory.Object) string {
	at := o.Modified
	if at.IsZero() {
		at = o.Created
	}
	return `W/"` + strconv.FormatInt(at.UnixMicro(), 36) + `"`
}

// matches says whether a list of entity tags (RFC 9110 §13.1) names one, compared weakly, or is "*".
func matches(list, tag string) bool {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || part != "" && strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// unchanged refuses when the resource is not the one that the caller has seen.
func (c *call) unchanged(o directory.Object) error {
	if c.version == "" || matches(c.version, versionOf(o)) {
		return nil
	}
	return &problem{status: http.StatusPreconditionFailed, detail: "The resource has changed since; read it again."}
}
