package canonical

import "encoding/json"

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema, as it came; nil: takes nothing
	Strict      *bool
	Cache       *Cache

	Custom bool // takes free text; Grammar may bound it
	// Foreign is a tool that the provider runs itself, or that only one dialect has: the whole entry as it stood. Name is its type.
	Foreign json.RawMessage
	Dialect string // of Foreign
	Field   string // where it stood: tools[1]
}

// ToolChoice is whether the model must, may or may not call tools.
type ToolChoice struct {
	Mode ToolMode
	Name string   // of the one tool, with ToolNamed
	Only []string // names that it may choose among; none: all
}

// ToolMode is a kind of choice.
type ToolMode string

// Modes.
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required" // any
	ToolNamed    ToolMode = "named"    // the one named
)
