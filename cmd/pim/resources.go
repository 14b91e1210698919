package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
	"portcullis/internal/client/provision"
	"portcullis/internal/client/treefile"
)

// resourcesCommand keeps the tree at which roles on resources are held.
func resourcesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "resources",
		Short: "Look after the tree of management groups, subscriptions, resource groups and resources",
		Long: "Roles on resources are held at a place in a tree: at a management group, a subscription, a resource group or a resource, and with " +
			"that at everything below it. A node is named by its id (/subscriptions/…), a subscription by its UUID alone, and a management " +
			"group by its name alone; / is the root.",
	}
	c.AddCommand(resourcesListCommand(), resourcesShowCommand(), resourcesImportCommand(), resourcesMoveCommand(), resourcesDeleteCommand())
	return c
}

func resourcesListCommand() *cobra.Command {
	var o connection
	var everything bool
	var under string
	cmd := o.command(&cobra.Command{
		Use:   "list",
		Short: "List the management groups, subscriptions and resource groups that you may see",
		Example: `pim resources list
pim resources list --all --under /subscriptions/11111111-2222-4333-8444-555555555555`,
		Args: exactly(),
		RunE: o.run(func(ctx context.Context, s *session, _ []string) error {
			var list []client.Node
			err := s.wait(ctx, "Reading the tree", func(ctx context.Context) (err error) {
				list, err = s.Nodes(ctx, everything)
				return err
			})
			if err != nil {
				return err
			}
			if under != "" {
				top := strings.ToLower(strings.TrimSuffix(client.NodeID(under), "/"))
				list = slices.DeleteFunc(list, func(n client.Node) bool {
					id := strings.ToLower(n.ID)
					return id != top && !strings.HasPrefix(id, top+"/")
				})
			}
			return s.showNodes(list)
		}),
	})
	cmd.Flags().BoolVar(&everything, "all", false, "resources too")
	cmd.Flags().StringVar(&under, "under", "", "only this node and what is below it by its id")
	return cmd
}

// nodeView is a node as it is written with --json.
type nodeView struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// showNodes writes nodes, management groups first, and each right behind what contains it by its id.
func (s *session) showNodes(list []client.Node) error {
	slices.SortStableFunc(list, func(a, b client.Node) int { return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)) })
	out := make([]nodeView, len(list))
	for i, n := range list {
		out[i] = nodeView{n.ID, first(n.Title, n.Properties.Title, n.Name), n.Type, n.Location, n.Tags}
	}
	if s.json {
		return s.value(out)
	}
	if len(out) == 0 {
		s.printf("There is nothing that you may see.")
		return nil
	}
	rows := [][]string{}
	for _, n := range out {
		rows = append(rows, []string{n.Name, faint(n.Type), n.ID})
	}
	s.table([]string{"NAME", "TYPE", "ID"}, rows)
	return nil
}

func resourcesShowCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:     "show NODE",
		Short:   "Show a node as the server keeps it, as JSON",
		Example: "pim resources show corp\npim resources show /subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/web",
		Args:    exactly("NODE"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			raw, err := s.Node(ctx, args[0])
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := json.Indent(&text, raw, "", "  "); err != nil {
				return fmt.Errorf("the answer is no JSON: %w", err)
			}
			s.printf("%s", text.String())
			return nil
		}),
	})
}

func resourcesImportCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "import FILE.json",
		Short: "Bring a tree from a file into the server",
		Long: `Make the nodes of a file that are not there yet, and change those that differ. Nothing is deleted. It goes in batches, what
contains others first; an import that broke off goes on when it is started again.

The file is a list of nodes, or {"nodes": […]}; answers of az group list, az resource list and az graph query will do. A node is
{"id": "/subscriptions/…", …} with whatever resources carry: location, tags, properties, kind, sku. Management groups and
subscriptions have a displayName, and a parent, which is the id or name of a management group; without one it is the root.`,
		Example: "pim resources import tree.json",
		Args:    exactly("FILE"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			nodes, err := readTree(args[0])
			if err != nil {
				return usage(err)
			}
			bar := newBar(s.console)
			show := func(done int) { bar.show(provision.Progress{Stage: "resources", Done: done, Total: len(nodes)}) }
			show(0)
			written, err := treefile.Import(ctx, s, nodes, show)
			bar.end()
			if s.json && err == nil {
				return s.value(map[string]int{"nodes": len(nodes), "written": written})
			}
			if written > 0 || err == nil {
				s.printf("%d nodes, %d of them new or changed", len(nodes), written)
			}
			return err
		}),
	})
}

func readTree(name string) ([]treefile.Node, error) {
	f, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return treefile.Read(io.LimitReader(f, maxFile))
}

func resourcesMoveCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "move NODE ONTO",
		Short: "Move a subscription or a management group into another management group, or a resource into another resource group",
		Long: "Activations whose eligibility is no longer above what is moved end at once. Grants at a resource itself do not move with it:\n" +
			"they end.",
		Example: `pim resources move 11111111-2222-4333-8444-555555555555 production
pim resources move production /`,
		Args: exactly("NODE", "ONTO"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			if err := s.MoveNode(ctx, args[0], args[1]); err != nil {
				return err
			}
			s.printf("%s is in %s now", client.NodeID(args[0]), client.NodeID(args[1]))
			return nil
		}),
	})
}

func resourcesDeleteCommand() *cobra.Command {
	var o connection
	var sure bool
	cmd := o.command(&cobra.Command{
		Use:     "delete NODE",
		Short:   "Delete a node with all below it, and all that is held there",
		Example: "pim resources delete /subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/web --yes",
		Args:    exactly("NODE"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			id := client.NodeID(args[0])
			if !sure && !strings.EqualFold(s.ask("Delete "+id+" with all below it, and all that is held there? (yes)"), "yes") {
				return usagef("nothing is deleted: say --yes, or answer yes")
			}
			err := s.wait(ctx, "Deleting "+id, func(ctx context.Context) error { return s.DeleteNode(ctx, id) })
			if err == nil {
				s.printf("%s is gone", id)
			}
			return err
		}),
	})
	cmd.Flags().BoolVar(&sure, "yes", false, "do not ask")
	return cmd
}
