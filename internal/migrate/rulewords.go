package migrate

import (
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// appendRules writes those of a policy's rules that only accepts (nil: all) as a list, in the words that the third iteration has
// for a provider: Microsoft Graph's for directory roles and groups, Azure Resource Manager's of version 2024-09-01 for roles of
// resources, with the rule and the members that these alone have. An edit of a policy takes such a list.
func appendRules(b []byte, p pim.Provider, rules policy.Rules, only func(policy.Rule) bool) []byte {
	list := policy.All()
	if p == pim.Resource {
		list = append(list, policy.PIMOnlyModeRule())
	}
	return appendListed(b, p, rules, list, only, p == pim.Resource)
}

// appendListed is appendRules for a list of rules; newer says whether version 2024-09-01 is spoken.
func appendListed(b []byte, p pim.Provider, rules policy.Rules, list []policy.Rule, only func(policy.Rule) bool, newer bool) []byte {
	b = append(b, '[')
	first := true
	for _, rule := range list {
		if only != nil && !only(rule) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendRule(b, p, rule, rules, newer)
	}
	return append(b, ']')
}

func appendRule(b []byte, p pim.Provider, rule policy.Rule, rules policy.Rules, newer bool) []byte {
	w := wordsFor(p)
	name := w.RuleType(rule.Kind)
	if p != pim.Resource {
		name = wire.GraphType + name
	}
	o := wire.New(b, nil)
	o.Str(w.TypeMember(), name)
	o.Str("id", rule.Name)
	wire.WriteRule(&o, w, rule, rules)
	if newer {
		wire.ARMRules{}.WriteNewer(&o, rule, rules)
	}
	return o.End()
}

func wordsFor(p pim.Provider) wire.Words {
	if p == pim.Resource {
		return wire.ARMRules{}
	}
	return wire.GraphRules{}
}
