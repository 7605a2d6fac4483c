package warehouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// reviseNative writes blocks of the Native format, which the library gives at protocol revision 0, at the revision that the
// client asked for with client_protocol_version: the same columns, with the block's and each column's preamble. It calls
// begin once it knows the first block to be readable, and writes nothing before.
func reviseNative(out io.Writer, body []byte, revision uint64, begin func()) error {
	reader := chproto.NewReader(bytes.NewReader(body))
	var revised chproto.Buffer
	for first := true; ; first = false {
		block := proto.NewBlock()
		err := block.Decode(reader, 0)
		if errors.Is(err, io.EOF) && block.Columns == nil { // between two blocks, not within one
			if first {
				begin()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the engine's block: %w", err)
		}
		if first {
			begin()
		}
		revised.Reset()
		if err := encodeBlock(&revised, block, revision); err != nil {
			return fmt.Errorf("write the engine's block: %w", err)
		}
		if _, err := out.Write(revised.Buf); err != nil {
			return err
		}
	}
}

func encodeBlock(out *chproto.Buffer, block *proto.Block, revision uint64) error {
	if err := block.EncodeHeader(out, revision); err != nil {
		return err
	}
	for i := range block.Columns {
		if err := block.EncodeColumn(out, revision, i); err != nil {
			return err
		}
	}
	return nil
}
