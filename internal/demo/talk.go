package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"

	"portcullis/internal/sample"
)

// talk prints the story: in colour on a terminal, plainly elsewhere.
type talk struct {
	w       io.Writer
	chapter int
}

func newTalk(w io.Writer, environ []string) *talk {
	return &talk{w: colorprofile.NewWriter(w, environ)}
}

func colour(c string) lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Color(c)) }

// print writes a line. Who reads it may have gone away, which is no reason to stop the story.
func (t *talk) print(line string) { _, _ = fmt.Fprintln(t.w, line) }

func (t *talk) title(text string) { t.print("\n" + lipgloss.NewStyle().Bold(true).Render(text)) }

// begin begins a chapter.
func (t *talk) begin(text string) {
	t.chapter++
	t.print("\n" + lipgloss.NewStyle().Bold(true).Render(fmt.Sprintf("%d. %s", t.chapter, text)))
}

func (t *talk) note(format string, args ...any) {
	t.print("   " + colour("8").Render(fmt.Sprintf(format, args...)))
}

func (t *talk) asks(who, format string, args ...any) {
	t.print("   " + colour("6").Render(fmt.Sprintf("%-6s → ", who)) + fmt.Sprintf(format, args...))
}

func (t *talk) gets(format string, args ...any) {
	t.print("          " + colour("2").Render("← ") + fmt.Sprintf(format, args...))
}

func (t *talk) refused(format string, args ...any) {
	t.print("          " + colour("1").Render("← ") + fmt.Sprintf(format, args...))
}

// serving says where everything is, once the story is told. program is how the command line is called.
func (t *talk) serving(program, dir string, d door) {
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.note("%s", err)
		return
	}
	t.title("The server goes on. Stop it with Ctrl-C; its folder goes with it.")
	t.print(fmt.Sprintf(`
   address    %s
   authority  %s   (trust it: SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, REQUESTS_CA_BUNDLE)
   sample     %s/%s   (everything below, for programs)
   tenant     %s   %s
   client     %s   secret %s
   log        %s/pim.log
   the door   %s

   %s login --server %s --ca %s
   %s activate "%s" --for 5m --reason "trying it"
`, m.URL, m.CAFile, dir, sample.ManifestFile, m.TenantID, m.Domain, m.Client.ID, m.Client.Secret, dir, d.hint(),
		program, m.URL, m.CAFile, program, sample.PayrollAdministrator))
	var keys []string
	for key := range m.People {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		p := m.People[key]
		t.print(fmt.Sprintf("   %-28s password %s   one-time codes %s", p.UserPrincipalName, p.Password, p.TOTPSecret))
	}
	t.print("")
}

// short cuts a text to what fits on a line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 360
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
