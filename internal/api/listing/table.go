package listing

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"time"

	"portcullis/internal/api/wire"
	"portcullis/internal/store"
)

// tablePageWithin bounds the reading of one page of a table.
const tablePageWithin = 30 * time.Second

// Table is a list as comma-separated values (RFC 4180), written page by page: it holds one page at a time, however long the list
// is, and reads on behind the last row, so that what is written meanwhile makes it neither repeat nor lose one.
type Table[T any] struct {
	// Mark stands before the header.
	Mark   string
	Header []string
	// Read reads a page. Cells makes the cells of its rows, and leaves out rows that do not belong. Both get a context of their own,
	// for that of the call ends before a long answer does.
	Read  func(context.Context, store.Query) (store.Page[T], error)
	Cells func(context.Context, []T) ([][]string, error)
	// Query reads what comes behind Page, the page that is written next.
	Query store.Query
	Page  store.Page[T]
}

// Begin reads the first page, before anything is answered: what cannot be read is then told as an error.
func (t *Table[T]) Begin(ctx context.Context) error { return t.read(ctx) }

func (t *Table[T]) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tablePageWithin)
	defer cancel()
	var err error
	t.Page, err = t.Read(ctx, t.Query)
	return err
}

// Write writes page after page; it is the stream of an answer.
func (t *Table[T]) Write(ctx context.Context, w io.Writer) error {
	var piece bytes.Buffer
	piece.WriteString(t.Mark)
	table := csv.NewWriter(&piece)
	table.UseCRLF = true
	if err := table.Write(t.Header); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for {
		if err := t.rows(ctx, table); err != nil {
			return err
		}
		if _, err := w.Write(piece.Bytes()); err != nil {
			return fmt.Errorf("send the table: %w", err)
		}
		piece.Reset()
		if len(t.Page.Next) == 0 {
			return nil
		}
		t.Query.After = t.Page.Next
		if err := t.read(ctx); err != nil {
			return err
		}
	}
}

// rows writes the rows of the page at hand.
func (t *Table[T]) rows(ctx context.Context, table *csv.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, tablePageWithin)
	defer cancel()
	rows, err := t.Cells(ctx, t.Page.Rows)
	if err != nil {
		return err
	}
	for _, cells := range rows {
		for i, text := range cells {
			cells[i] = wire.PlainCell(text)
		}
		if err := table.Write(cells); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	table.Flush()
	return table.Error()
}
