package schematest

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
)

// The JSON forms of the primitive types: OData JSON Format 4.01 §7.1, with OData ABNF for the texts.
// A time is asked in UTC with at most seven digits of a second, which is what clients of the real service can parse.
var (
	dateTimeOffset = regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,7})?Z$`)
	date           = regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)
	duration       = regexp.MustCompile(`^-?P(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`)
	durationPart   = regexp.MustCompile(`\d[YMDHS]`)
	durationEndsT  = regexp.MustCompile(`T$`)
	guid           = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// primitive reports whether a value has the JSON form of a primitive type.
func primitive(typeName string, value any) bool {
	text, isText := value.(string)
	switch typeName {
	case "Edm.String":
		return isText
	case "Edm.Boolean":
		_, ok := value.(bool)
		return ok
	case "Edm.Int32":
		return isInt32(value)
	case "Edm.Int64":
		return isInt64(value)
	case "Edm.DateTimeOffset":
		return isText && dateTimeOffset.MatchString(text)
	case "Edm.Date":
		return isText && date.MatchString(text)
	case "Edm.Duration":
		return isText && duration.MatchString(text) && durationPart.MatchString(text) && !durationEndsT.MatchString(text)
	case "Edm.Guid":
		return isText && guid.MatchString(text)
	}
	// The schema uses no other primitive; a new one has to be added here before it can be served.
	return false
}

func isInt32(value any) bool {
	switch n := value.(type) {
	case float64:
		return n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32
	case json.Number:
		_, err := strconv.ParseInt(n.String(), 10, 32)
		return err == nil
	}
	return false
}

// isInt64 takes what a client that keeps numbers as floating point still reads exactly.
func isInt64(value any) bool {
	const exact = 1 << 53
	switch n := value.(type) {
	case float64:
		return n == math.Trunc(n) && n >= -exact && n <= exact
	case json.Number:
		i, err := strconv.ParseInt(n.String(), 10, 64)
		return err == nil && i >= -exact && i <= exact
	}
	return false
}
