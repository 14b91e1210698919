package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim/schema"
	parser "github.com/scim2/filter-parser/v2"

	"portcullis/internal/api"
)

// What clients send in other forms than the standard's is brought to its form before anything looks at it. Microsoft
// Entra's provisioning service writes operations with a capital, booleans as texts, the manager as a bare id, and single
// values as lists of one; Okta's sends the id within a patch (learn.microsoft.com/entra/identity/app-provisioning,
// "Develop and plan provisioning for a SCIM endpoint", "Known issues and resolutions with SCIM 2.0 protocol compliance").

// maxOps bounds the operations of one patch.
const maxOps = 1000

// object reads bounded JSON that is an object. Numbers stay as they are written.
func object(body []byte) (resource, error) {
	var raw json.RawMessage
	if err := api.DecodeBytes(body, &raw); err != nil {
		return nil, err
	}
	var out resource
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&out); err != nil || out == nil {
		return nil, bad(kindSyntax, "The body must be a JSON object.")
	}
	return out, nil
}

// normal brings the body of an operation to the standard's form.
func (k *kind) normal(method string, body []byte) ([]byte, error) {
	if method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch {
		return nil, nil
	}
	in, err := object(body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPatch {
		err = k.normalPatch(in)
	} else {
		k.normalResource(in)
	}
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("write the normal form: %w", err)
	}
	return out, nil
}

// normalResource brings a whole resource to the standard's form.
func (k *kind) normalResource(in resource) {
	for name, v := range in {
		if k.extension.ID != "" && strings.EqualFold(name, k.extension.ID) {
			delete(in, name)
			inner, ok := v.(resource)
			if ok {
				normalMembers(k.extension.Attributes, inner)
			}
			in[k.extension.ID] = v
		}
	}
	normalMembers(k.core.Attributes, in)
}

func normalMembers(list schema.Attributes, in resource) {
	for name, v := range in {
		if a, ok := list.ContainsAttribute(name); ok {
			if v = normalValue(a, v); v == nil {
				delete(in, name)
			} else {
				in[name] = v
			}
		}
	}
}

// normalValue brings the value of an attribute to the standard's form; nil: it is none.
func normalValue(a schema.CoreAttribute, v any) any {
	if v == nil {
		return nil
	}
	if list, ok := v.([]any); ok && !a.MultiValued() && len(list) == 1 {
		v = list[0]
		if m, ok := v.(resource); ok && a.AttributeType() != "complex" && m["value"] != nil {
			v = m["value"]
		}
	}
	switch t := a.AttributeType(); {
	case t == "boolean":
		return normalBool(v)
	case t == "complex" && !a.MultiValued():
		return normalComplex(a, v)
	case t == "complex":
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		out := make([]any, 0, len(list))
		for _, each := range list {
			if each = normalComplex(a, each); each != nil {
				out = append(out, each)
			}
		}
		return out
	}
	return v
}

// normalComplex turns the bare value of a complex attribute, such as the manager's id, into the object around it.
func normalComplex(a schema.CoreAttribute, v any) any {
	m, ok := v.(resource)
	if !ok {
		text, isText := v.(string)
		if _, has := a.SubAttributes().ContainsAttribute("value"); !has || !isText {
			return v
		}
		m = resource{"value": text}
	}
	normalMembers(a.SubAttributes(), m)
	if a.Name() == "manager" && m["value"] == "" {
		return nil
	}
	return m
}

func normalBool(v any) any {
	if text, ok := v.(string); ok {
		switch strings.ToLower(text) {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return v
}

// member finds a member of an object without letter case.
func member(in resource, name string) (string, any) {
	if v, ok := in[name]; ok {
		return name, v
	}
	for have, v := range in {
		if strings.EqualFold(have, name) {
			return have, v
		}
	}
	return name, nil
}

// normalPatch brings the operations of a patch to the standard's form.
func (k *kind) normalPatch(in resource) error {
	_, v := member(in, "Operations")
	ops, ok := v.([]any)
	if !ok || len(ops) == 0 || len(ops) > maxOps {
		return bad(kindSyntax, fmt.Sprintf("A patch has a list of 1 to %d Operations.", maxOps))
	}
	for i, each := range ops {
		op, ok := each.(resource)
		if !ok {
			return bad(kindSyntax, "An operation of a patch is a JSON object.")
		}
		normal, err := k.normalOperation(op)
		if err != nil {
			return err
		}
		ops[i] = normal
	}
	return nil
}

func (k *kind) normalOperation(in resource) (resource, error) {
	_, op := member(in, "op")
	word, _ := op.(string)
	word = strings.ToLower(word)
	if !slices.Contains([]string{"add", "replace", "remove"}, word) {
		return nil, bad(kindSyntax, "The op of a patch is add, replace or remove.")
	}
	_, value := member(in, "value")
	out := resource{"op": word, "value": value}
	_, p := member(in, "path")
	path, ok := p.(string)
	if p != nil && !ok {
		return nil, bad(kindPath, "The path of an operation is a text.")
	}
	if path = strings.TrimSpace(path); k.extension.ID != "" && strings.EqualFold(path, k.extension.ID) {
		path, out["value"] = "", resource{k.extension.ID: value}
	}
	if path == "" {
		if word == "remove" {
			return nil, bad(kindNoTarget, "A remove operation needs a path.")
		}
		return out, k.normalRoot(out)
	}
	out["path"] = path
	a, err := k.target(path)
	if err != nil {
		return nil, err
	}
	leaf := a.CoreAttribute
	if a.sub != nil {
		leaf = *a.sub
	}
	if out["value"] = normalValue(leaf, value); out["value"] == nil && word != "add" || value == "" && word == "replace" {
		out["op"] = "remove"
		delete(out, "value")
	}
	return out, nil
}

// normalRoot brings the value of an operation without a path to the standard's form: its members are paths.
func (k *kind) normalRoot(op resource) error {
	in, ok := op["value"].(resource)
	if !ok {
		return invalidValue("The value of an operation without a path is a JSON object.")
	}
	for name, v := range in {
		switch lower := strings.ToLower(name); {
		case lower == "id" || lower == "schemas" || lower == "meta":
			delete(in, name) // sent along as a whole, and not meant to change
			continue
		case k.extension.ID != "" && strings.EqualFold(name, k.extension.ID):
			delete(in, name)
			if inner, ok := v.(resource); ok {
				normalMembers(k.extension.Attributes, inner)
			}
			in[k.extension.ID] = v
			continue
		}
		a, err := k.target(name)
		if err != nil {
			return err
		}
		leaf := a.CoreAttribute
		if a.sub != nil {
			leaf = *a.sub
		}
		if v = normalValue(leaf, v); v == nil {
			delete(in, name)
		} else {
			in[name] = v
		}
	}
	return nil
}

// maxPath bounds the path of an operation, in bytes.
const maxPath = 1024

// target finds the attribute that a path of a patch names, if it may be changed.
func (k *kind) target(path string) (attribute, error) {
	p, err := parsePath(path)
	if err != nil {
		return attribute{}, err
	}
	a, ok := k.resolve(p.AttributePath, p.SubAttributeName())
	switch {
	case !ok:
		return a, bad(kindPath, "There is no attribute "+shortened(path)+" here.")
	case a.Mutability() == "readOnly" || a.is("schemas") || a.sub != nil && a.sub.Mutability() == "readOnly":
		return a, bad(kindMutability, "The attribute "+shortened(path)+" cannot be changed.")
	}
	return a, nil
}

func parsePath(path string) (parser.Path, error) {
	wrong := bad(kindPath, "The path "+shortened(path)+" is malformed.")
	if len(path) > maxPath {
		return parser.Path{}, wrong
	}
	stripped, literals, ok := unquote(path)
	if !ok {
		return parser.Path{}, wrong
	}
	p, err := parser.ParsePath([]byte(stripped))
	if err != nil {
		return parser.Path{}, wrong
	}
	if p.ValueExpression != nil && !requote(p.ValueExpression, literals) {
		return parser.Path{}, wrong
	}
	return p, nil
}
