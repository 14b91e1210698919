package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// maxFile bounds the settings file.
const maxFile = 1 << 20

// Load reads the settings: the file, if one is named, then the environment, given as os.Environ does, then the flags,
// given by key ("log.level"). All that is wrong is told at once, a sentence each.
func Load(file string, environ []string, flags map[string]any) (Settings, error) {
	k := koanf.New(delimiter)
	if file != "" {
		if err := loadFile(k, file); err != nil {
			return Settings{}, err
		}
	}
	if err := k.Load(confmap.Provider(fromEnvironment(environ), delimiter), nil); err != nil {
		return Settings{}, err
	}
	if err := k.Load(confmap.Provider(flags, delimiter), nil); err != nil {
		return Settings{}, err
	}
	s, err := decode(k)
	if err != nil {
		return Settings{}, in(file, err)
	}
	if err := s.Validate(); err != nil {
		return Settings{}, in(file, err)
	}
	return s, nil
}

const delimiter = "."

// in names the file that an error is about, if there is one of both.
func in(file string, err error) error {
	if err == nil || file == "" {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}

func loadFile(k *koanf.Koanf, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("the settings cannot be read: %w", err)
	}
	if info.IsDir() || info.Size() > maxFile {
		return fmt.Errorf("the settings cannot be read: %s is a folder or larger than %d bytes", file, maxFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the settings cannot be read: %w", err)
	}
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		return fmt.Errorf("%s is no YAML: %w", file, err)
	}
	return in(file, unknown(k.Raw(), reflect.TypeFor[Settings](), ""))
}

func decode(k *koanf.Koanf) (Settings, error) {
	var s Settings
	err := k.UnmarshalWithConf("", &s, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result:           &s,
		TagName:          "koanf",
		WeaklyTypedInput: true, // what comes from the environment is text
		MatchName:        func(key, field string) bool { return key == field },
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}})
	if err != nil {
		return Settings{}, fmt.Errorf("a setting has a value of the wrong kind: %w", err)
	}
	return s, nil
}

// unknown tells of every key that no field has, with the nearest that one has.
func unknown(have map[string]any, t reflect.Type, path string) error {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		fields[f.Tag.Get("koanf")] = f.Type
	}
	var wrong []error
	for _, key := range sortedKeys(have) {
		at := strings.TrimPrefix(path+delimiter+key, delimiter)
		field, ok := fields[key]
		if !ok {
			near := nearest(key, sortedKeys(fields))
			wrong = append(wrong, fmt.Errorf("the key %q is not known; did you mean %q?", at, strings.TrimPrefix(path+delimiter+near, delimiter)))
			continue
		}
		wrong = append(wrong, unknownWithin(have[key], field, at))
	}
	return errors.Join(wrong...)
}

func unknownWithin(value any, t reflect.Type, path string) error {
	if t.Kind() == reflect.Slice {
		list, ok := value.([]any)
		if !ok {
			return nil // decoding says so if it is of the wrong kind
		}
		var wrong []error
		for i, v := range list {
			wrong = append(wrong, unknownWithin(v, t.Elem(), fmt.Sprintf("%s[%d]", path, i)))
		}
		return errors.Join(wrong...)
	}
	if m, ok := value.(map[string]any); ok && t.Kind() == reflect.Struct {
		return unknown(m, t, path)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// nearest returns the known key that takes the fewest changes of letters, without letter case.
func nearest(key string, known []string) string {
	best, least := "", int(^uint(0)>>1)
	for _, k := range known {
		if d := distance(strings.ToLower(key), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to put in, leave out or change (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// Variables are the names of the environment by key: PIM_DATA, PIM_PUBLIC_URL, PIM_LOG_LEVEL. Lists of texts are
// written with commas; issuers and doors are for the file alone.
func Variables() map[string]string {
	names := map[string]string{}
	variables(reflect.TypeFor[Settings](), "", names)
	return names
}

func variables(t reflect.Type, path string, names map[string]string) {
	for f := range t.Fields() {
		key := strings.TrimPrefix(path+delimiter+f.Tag.Get("koanf"), delimiter)
		switch {
		case f.Type.Kind() == reflect.Struct:
			variables(f.Type, key, names)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		default:
			names[key] = variable(key)
		}
	}
}

// variable turns "tls.certificate" into PIM_TLS_CERTIFICATE and "publicURL" into PIM_PUBLIC_URL.
func variable(key string) string {
	var b strings.Builder
	b.WriteString("PIM_")
	for i := range len(key) {
		c := key[i]
		upper := c >= 'A' && c <= 'Z'
		if upper && i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z' {
			b.WriteByte('_')
		}
		if c == '.' {
			c = '_'
		}
		b.WriteByte(c)
	}
	return strings.ToUpper(b.String())
}

// fromEnvironment picks the settings out of the environment. An empty variable counts as absent.
func fromEnvironment(environ []string) map[string]any {
	byName := map[string]string{}
	for key, name := range Variables() {
		byName[name] = key
	}
	found := map[string]any{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if key, ok := byName[name]; ok && value != "" {
			found[key] = value
		}
	}
	return found
}
