package arm

import (
	"bytes"
	"encoding/json"

	"portcullis/internal/api"
)

// body reads the body of the call into a wire struct, as leniently as clients are known to need it (reference arm-pim §1, "JSON
// in"): names without letter case, members that are not known or may only be read ignored, null as absent, truths as texts. The
// error is an *api.Fault.
func (c *call) body(into any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	return api.DecodeBytes(truths(body), into)
}

// optional reads a body that may be missing.
func (c *call) optional(into any) error {
	body, err := c.Body()
	if err != nil || len(body) == 0 {
		return err
	}
	return api.DecodeBytes(body, into)
}

// properties is body for what stands under "properties", or flat where there is no such member.
func (c *call) properties(into any) error {
	var outer struct {
		Properties json.RawMessage `json:"properties"`
	}
	body, err := c.Body()
	if err != nil {
		return err
	}
	body = truths(body)
	if err := api.DecodeBytes(body, &outer); err != nil {
		return err
	}
	if inner := bytes.TrimSpace(outer.Properties); len(inner) > 0 && !bytes.Equal(inner, []byte("null")) {
		body = inner
	}
	return api.DecodeBytes(body, into)
}

// mended is body for what a client is known to send without its last closing brackets.
func (c *call) mended(into any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	return api.DecodeBytes(truths(mend(body)), into)
}

// mend closes up to two objects that are left open at the end.
func mend(body []byte) []byte {
	for _, missing := range []string{"", "}", "}}"} {
		if whole := append(bytes.Clone(body), missing...); json.Valid(whole) {
			return whole
		}
	}
	return body
}
