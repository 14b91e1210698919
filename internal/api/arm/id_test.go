package arm

import "testing"

func TestIDs(t *testing.T) {
	const of = "/providers/Microsoft.Authorization/roleDefinitions/r"
	for place, want := range map[string]string{
		"": of, "/": of, "/providers/Microsoft.Management/managementGroups/g": of,
		"/subscriptions/s": "/subscriptions/s" + of, "/Subscriptions/s/resourceGroups/g/providers/n/t/x": "/subscriptions/s" + of,
		"/providers/Custom.Things/subscriptions/x": of,
	} {
		if got := roleID(place, "r"); got != want {
			t.Errorf("a role at %q: got %s, want %s", place, got, want)
		}
	}
	if got, want := idIn("/", "roleAssignments", "n"), "/providers/Microsoft.Authorization/roleAssignments/n"; got != want {
		t.Errorf("at the root: got %s, want %s", got, want)
	}
	for text, want := range map[string]string{
		anID: anID, " " + anIDUpper + "/": anID, "/a/b/" + anIDUpper: anID, of: "", "": "", "/": "", "x" + anID: "", "/subscriptions/s" + of + "/" + anID: anID,
	} {
		if got, ok := lastGUID(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, ok, want)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]bool{
		"2020-10-01": true, "2020-10-01-preview": true, "2015-07-01": true, "2026-09-01": true,
		"": false, "latest": false, "2020-10-32": false, "2020-10-01-previews": false, "2020-10": false, "1999-01-01": false, "2020-10-01 or 1": false,
	} {
		if got := isVersion(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
