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
// client asked for with client_protocol_version: the same columns, with the block's and each column's preamble.
func reviseNative(body []byte, revision uint64) ([]byte, error) {
	reader := chproto.NewReader(bytes.NewReader(body))
	var out chproto.Buffer
	for {
		block := proto.NewBlock()
		err := block.Decode(reader, 0)
		if errors.Is(err, io.EOF) {
			return out.Buf, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the engine's block: %w", err)
		}
		if err := block.EncodeHeader(&out, revision); err != nil {
			return nil, err
		}
		for i := range block.Columns {
			if err := block.EncodeColumn(&out, revision, i); err != nil {
				return nil, err
			}
		}
	}
}
