package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/config"
	"portcullis/internal/server"
	"portcullis/internal/telemetry"
)

// settingFlags are the flags that are settings: flag, key in the file, and what it says.
func settingFlags() [][3]string {
	return [][3]string{
		{"data", "data", "folder that everything of this node is kept in (data)"},
		{"database", "database", "address of a database, postgres://… (SQLite in the data folder)"},
		{"public-url", "publicURL", "origin that callers know the server by (https:// and the first address)"},
		{"log-level", "log.level", "least level that is logged: debug, info, warn or error (info)"},
		{"log-format", "log.format", "form of the log: text or json (text)"},
	}
}

// addSettings gives a command the flags by which the settings are told.
func addSettings(c *cobra.Command) {
	c.Flags().String("config", "", "settings file in YAML (also PIM_CONFIG)")
	for _, f := range settingFlags() {
		c.Flags().String(f[0], "", f[2])
	}
}

// settings reads the settings of a command: flags over the environment over the file.
func (p *program) settings(c *cobra.Command) (config.Settings, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return config.Settings{}, err
	}
	if file == "" {
		file = p.variable("PIM_CONFIG")
	}
	values := map[string]any{}
	for _, f := range settingFlags() {
		if flag := c.Flags().Lookup(f[0]); flag != nil && flag.Changed {
			values[f[1]] = flag.Value.String()
		}
	}
	if c.Flags().Lookup("listen") != nil && c.Flags().Changed("listen") {
		if values["listen"], err = c.Flags().GetStringSlice("listen"); err != nil {
			return config.Settings{}, err
		}
	}
	s, err := config.Load(file, p.environ, values)
	if err != nil {
		return config.Settings{}, &server.Unable{Code: server.ExitSettings, Err: err}
	}
	return s, nil
}

func (p *program) variable(name string) string {
	for _, e := range p.environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// logger is the log of a server command, on standard error.
func (p *program) logger(l config.Log) *slog.Logger {
	p.quietLibraries(l)
	return telemetry.NewLogger(p.stderr, l.Threshold(), l.Format == "json")
}

// quietLibraries makes those that log by themselves heard from warnings on.
func (p *program) quietLibraries(l config.Log) {
	slog.SetDefault(telemetry.NewLogger(p.stderr, max(l.Threshold(), slog.LevelWarn), l.Format == "json"))
}
