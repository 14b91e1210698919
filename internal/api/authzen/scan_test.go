package authzen

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/access"
	"portcullis/internal/pim"
)

var compare = cmp.AllowUnexported(asked{}, entity{})

// full is what the full decoder reads.
func full(text string) (batch, error) {
	var w wireEvaluations
	if err := object([]byte(text), &w); err != nil {
		return batch{}, err
	}
	b := batch{defaults: w.asked(), semantic: w.Options.Semantic}
	for i := range w.Evaluations {
		b.list = append(b.list, w.Evaluations[i].asked())
	}
	return b, nil
}

// sameAsFull holds what the scan takes against encoding/json.
func sameAsFull(t *testing.T, text string) (took bool) {
	t.Helper()
	var one asked
	var several batch
	if scanEvaluation(text, &one) {
		var w wireEvaluation
		if err := object([]byte(text), &w); err != nil {
			t.Fatalf("the scan takes %q, the decoder says %v", text, err)
		}
		if diff := cmp.Diff(w.asked(), one, compare); diff != "" {
			t.Fatalf("%q: decoder and scan differ (-decoder +scan):\n%s", text, diff)
		}
		took = true
	}
	if !scanEvaluations(text, &several) {
		return took
	}
	want, err := full(text)
	if err != nil {
		t.Fatalf("the scan takes %q, the decoder says %v", text, err)
	}
	if diff := cmp.Diff(want.defaults, several.defaults, compare); diff != "" || want.semantic != several.semantic {
		t.Fatalf("%q: decoder and scan differ (-decoder +scan):\n%s", text, diff)
	}
	if diff := cmp.Diff(append([]asked{}, want.list...), append([]asked{}, several.list...), compare); diff != "" {
		t.Fatalf("%q: decoder and scan differ (-decoder +scan):\n%s", text, diff)
	}
	return true
}

// usual are bodies as doors send them; the scan has to take them, or it is for nothing.
func usual() []string {
	const evaluation = `{"subject":{"type":"user","id":"alice@contoso.example.com"},"action":{"name":"Reports Reader"},"resource":{"type":"directory","id":"/"}}`
	return []string{
		evaluation,
		strings.ReplaceAll(strings.ReplaceAll(evaluation, ":", " : "), ",", " ,\n\t"),
		`{"subject":{"type":"user","id":"a","properties":{"department":"Sales","level":7,"manager":{"id":"b"},"new":true}},"action":{"name":"Microsoft.Sql/servers/read","properties":{"dataAction":true}},
		 "resource":{"type":"todo","id":"1","properties":{"ownerID":"x","scope":"/subscriptions/1"}},"context":{"time":"2026-03-02T09:00:00Z","consistencyToken":"c1"}}`,
		`{"subject":{"type":"user","id":"a"},"evaluations":[{"action":{"name":"x"}},{"action":{"name":"y","properties":{"dataAction":false}},"resource":{"type":"t","id":"2"}}],"options":{"evaluations_semantic":"execute_all","other":"x"}}`,
		`{"evaluations":[]}`, `{}`, ` {"extra":{}} `,
	}
}

// unusual are bodies that the scan has to leave to the full decoder, or that both refuse.
func unusual() []string {
	return []string{
		``, ` `, `{`, `}`, `{}}`, `{} {}`, `[]`, `null`, `"a"`, `{"subject"}`, `{"subject":}`, `{"subject":null}`, `{"subject":{},"subject":{"id":"a"}}`,
		`{"subject":{"id":"a","id":"b"}}`, `{"subject":{"id":"\u0061"}}`, `{"subject":{"id":"ä"}}`, `{"subject":{"id":"a` + "\n" + `"}}`, `{"subject":{"id":"` + "\x7f" + `"}}`,
		`{"Subject":{"id":"a"}}`, `{"subject":{"ID":"a"}}`, `{"subject":{"id":"a"},}`, `{,"subject":{"id":"a"}}`, `{"subject":{"id":"a"} "action":{}}`, `{"subject":{"id":"a",}}`,
		`{"action":{"properties":{"dataAction":tru}}}`, `{"action":{"properties":{"dataAction":truefalse}}}`, `{"action":{"properties":{"dataAction":null}}}`,
		`{"action":{"properties":{"dataaction":true}}}`, `{"action":{"properties":[]}}`, `{"resource":{"properties":{"scope":["/"]}}}`, `{"resource":{"properties":{"scope":"/","SCOPE":"/b"}}}`,
		`{"x":01}`, `{"x":1.5}`, `{"x":-1}`, `{"x":1e5}`, `{"x":12345678901234567890}`, `{"x":[1]}`, `{"x":null}`, `{"x":tru}`, `{"x":{"y":{"z":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}}}}`,
		`{"evaluations":[null]}`, `{"evaluations":[{}],"evaluations":[]}`, `{"evaluations":[{},]}`, `{"evaluations":[{"evaluations":[]}]}`, `{"options":{"evaluations_semantic":1}}`, "\ufeff{}",
		`{"context":{"consistencyToken":"a","consistencytoken":"b"}}`, `{"subject":{"type":"user" "id":"a"}}`, `{"` + "\u212a" + `":1}`,
	}
}

func TestTheScanReadsWhatIsUsual(t *testing.T) {
	for _, text := range usual() {
		if !sameAsFull(t, text) {
			t.Errorf("the scan leaves %q to the full decoder", text)
		}
	}
	for _, text := range unusual() {
		sameAsFull(t, text)
	}
	for i := range usual()[2] { // cut off anywhere, and with something else anywhere
		text := usual()[2]
		sameAsFull(t, text[:i])
		for _, c := range `{}[],:"\0tn ` {
			sameAsFull(t, text[:i]+string(c)+text[i+1:])
			sameAsFull(t, text[:i]+string(c)+text[i:])
		}
	}
}

// FuzzScan holds the scan of bodies against encoding/json: whatever the scan takes, the full decoder takes for the same.
func FuzzScan(f *testing.F) {
	for _, text := range append(usual(), unusual()...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { sameAsFull(t, text) })
}

// FuzzAnswer holds the writing of decisions against encoding/json: whatever ids and tokens there are, it is JSON that says them.
func FuzzAnswer(f *testing.F) {
	f.Add("c1", "4711", "/subscriptions/1", true)
	f.Add("\"", "\\\u2028<", "\xff", true)
	f.Fuzz(func(t *testing.T, token, group, scope string, yes bool) {
		d := decision{yes: yes, reason: access.NoGrant.String(), via: []pim.PrincipalID{pim.PrincipalID(group)}, scope: pim.Scope(scope)}
		a := asking{token: token}
		var got struct {
			Decision bool
			Context  struct {
				ConsistencyToken string
				Chain            []struct{ Kind, ID string }
			}
		}
		text := a.appendDecision(nil, &d)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got.Decision != yes || utf8.ValidString(token) && got.Context.ConsistencyToken != token {
			t.Errorf("got %+v of %s", got, text)
		}
		if n := len(got.Context.Chain); yes && (n == 0 || utf8.ValidString(group) && got.Context.Chain[0].ID != group) {
			t.Errorf("got %+v of %s", got, text)
		}
	})
}

// TestWhatIsTooMuchCostsLittle: as many evaluations as a body can hold are refused for a few times the room of the body, whichever way
// it is read.
func TestWhatIsTooMuchCostsLittle(t *testing.T) {
	for name, empty := range map[string]string{"scanned": `{},`, "decoded": `{"\u0073ubject":{}},`} {
		body := []byte(`{"evaluations":[` + strings.Repeat(empty, 900_000/len(empty)) + `{}]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := readEvaluations(body, new(batch))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 64<<20 {
			t.Errorf("%s: got %v after %d MB, want a refusal after few", name, err, took>>20)
		}
	}
}
