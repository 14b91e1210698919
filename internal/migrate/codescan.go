package migrate

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
)

// Finding is a place in a program that speaks an older iteration.
type Finding struct {
	File string
	// Line counts from one.
	Line int
	// Text is the line, cut where it is long.
	Text string
	// What was found, and what stands in its place.
	What, Instead string
}

// maxScanned is the longest file that is looked at, and maxShown the longest line that is shown.
const (
	maxScanned = 8 << 20
	maxShown   = 200
)

// Scan looks through a program's files for the older iterations: their addresses, their names in PowerShell and in SDKs, and their
// permissions (reference pim-v2 §15). What is told is told in the order of the files. skipped is told of files that are too long
// to be looked at. The error is that of reading, of found, or of the context.
func Scan(ctx context.Context, files fs.FS, found func(Finding) error, skipped func(name string)) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && passedOver(d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		f, err := files.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxScanned+1))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if len(text) > maxScanned {
			skipped(name)
			return nil
		}
		return scanFile(name, text, found)
	})
}

// passedOver are folders with what the program's authors did not write.
func passedOver(folder string) bool {
	switch folder {
	case ".git", ".hg", ".svn", "node_modules", ".terraform":
		return true
	}
	return false
}

func scanFile(name string, text []byte, found func(Finding) error) error {
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return nil // no text
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxScanned+1)
	for n := 1; lines.Scan(); n++ {
		for _, sign := range signs {
			if !sign.in(lines.Text()) {
				continue
			}
			f := Finding{File: name, Line: n, Text: excerpt(lines.Text()), What: sign.what, Instead: sign.instead}
			if err := found(f); err != nil {
				return err
			}
			break
		}
	}
	return lines.Err()
}

func excerpt(line string) string {
	line = strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line)
	if r := []rune(line); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return line
}

// sign is what an older iteration is known by.
type sign struct {
	pattern *regexp.Regexp
	// but is what makes it none.
	but           *regexp.Regexp
	what, instead string
}

func (s sign) in(line string) bool {
	if s.but != nil {
		line = s.but.ReplaceAllString(line, "")
	}
	return s.pattern.MatchString(line)
}

// thirdOfGroups is an address of the third iteration that has the second's name in it.
var thirdOfGroups = regexp.MustCompile(`(?i)identityGovernance/privilegedAccess(/group)?`)

var signs = []sign{
	{pattern: regexp.MustCompile(`(?i)privilegedAccess/(azureResources|pimforazurerbac)`), but: thirdOfGroups,
		what: "second iteration, azureResources", instead: "Azure Resource Manager: {scope}/providers/Microsoft.Authorization/role{Eligibility,Assignment}Schedule{Instances,Requests}"},
	{pattern: regexp.MustCompile(`(?i)privilegedAccess/aadRoles`), but: thirdOfGroups,
		what: "second iteration, aadRoles", instead: "Microsoft Graph: /v1.0/roleManagement/directory/role{Eligibility,Assignment}Schedule{Instances,Requests}"},
	{pattern: regexp.MustCompile(`(?i)privilegedAccess/aadGroups`), but: thirdOfGroups,
		what: "second iteration, aadGroups", instead: "Microsoft Graph: /v1.0/identityGovernance/privilegedAccess/group/{eligibility,assignment}Schedule{Instances,Requests}"},
	{pattern: regexp.MustCompile(`(?i)api/v2/privilegedAccess|azrbac\.mspim\.azure\.com|01fc33a7-78ba-4d2f-a4b7-768e336e890e|\bprivilegedAccess/[$%{<:"'+]`), but: thirdOfGroups,
		what: "second iteration, its own host", instead: "Microsoft Graph for directory roles and groups, Azure Resource Manager for resources"},
	{pattern: regexp.MustCompile(`(?i)AzureADMSPrivileged|EntraBetaPrivileged(Access|Resource|Role)|MgBeta(Identity\w+)?PrivilegedAccess(Resource|Role)|governanceRole(Assignment|Definition|Setting)|governanceResource\b`),
		what: "second iteration, by its names in PowerShell or an SDK", instead: "the commands and types of roleManagement, policies and identityGovernance"},
	{pattern: regexp.MustCompile(`(?i)\bprivileged(Role(s|Assignments?|AssignmentRequests?|Settings|Summary)?|Approval|OperationEvents?|SignupStatus|SecurityAlerts)\b`),
		what: "first iteration", instead: "Microsoft Graph: /v1.0/roleManagement/directory/role{Eligibility,Assignment}Schedule{Instances,Requests}"},
	{pattern: regexp.MustCompile(`PrivilegedAccess\.Read(Write)?\.Azure(Resources|ADGroup|AD)\b`),
		what: "a permission of the second iteration", instead: "RoleEligibilitySchedule, RoleAssignmentSchedule and RoleManagementPolicy .Read or .ReadWrite .Directory; " +
			"PrivilegedEligibilitySchedule and PrivilegedAssignmentSchedule … .AzureADGroup (that of groups is taken by the third iteration too); for resources, roles at the scope"},
}
