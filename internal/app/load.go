package app

import (
	"context"

	"portcullis/internal/access"
	"portcullis/internal/directory"
)

// Load fills the access index from the store. Until it has, nobody holds anything.
func (a *App) Load(ctx context.Context) error {
	return a.Index.Fill(func(l *access.Loader) error {
		return a.Store.Live(ctx, a.Time(), l.Schedule, func(link directory.Link) error {
			for _, e := range edges([]directory.Link{link}) {
				if err := l.Link(e); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
