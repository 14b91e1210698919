package store

import (
	"strconv"
	"time"
)

// CursorOf returns the cursor of a row: the place just behind it in a list sorted by order and then by id. column
// returns what Match's does. Texts stand as they are, times as microseconds, and none as the empty text.
func CursorOf(order []Order, column func(Field) any) Cursor {
	cursor := make(Cursor, 0, len(order)+1)
	for _, o := range order {
		cursor = append(cursor, cursorText(column(o.Field)))
	}
	return append(cursor, cursorText(column(FieldID)))
}

func cursorText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return strconv.FormatInt(v.UnixMicro(), 10)
	default:
		return ""
	}
}
