package canonical

import "encoding/json"

// Role is who speaks.
type Role string

// Roles. A tool's result is a part of a user's or a tool's message, wherever its dialect puts it.
const (
	System    Role = "system"
	Developer Role = "developer"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Message is one turn, or a part of one.
type Message struct {
	Role  Role
	Name  string // of the participant
	ID    string // of the item, where the dialect has one
	Parts []Part
}

// PartKind is what a part is; it says which member of Part is set.
type PartKind string

// Kinds of parts.
const (
	Text       PartKind = "text"        // Text
	Refusal    PartKind = "refusal"     // Text
	Thinking   PartKind = "thinking"    // Thought
	Image      PartKind = "image"       // Media
	Audio      PartKind = "audio"       // Media
	Video      PartKind = "video"       // Media
	File       PartKind = "file"        // Media: documents
	ToolCall   PartKind = "tool_call"   // Call
	ToolResult PartKind = "tool_result" // Result
	// Foreign is a part that only one dialect has (a server tool's call, a search result): Raw as it stood. Any other dialect
	// loses it, by name.
	Foreign PartKind = "foreign"
)

// Part is one piece of a message.
type Part struct {
	Kind    PartKind
	Text    string
	Thought *Thought
	Media   *Media
	Call    *Call
	Result  *Result

	Cache *Cache // a mark: the prompt up to here may be cached
	// Citations are those of a text, as the dialect named in Dialect writes them.
	Citations json.RawMessage
	// Signature is what the provider wants to see again with this part (Gemini's thoughtSignature on text and calls).
	Signature string

	Dialect string          // of Citations and Raw
	Raw     json.RawMessage // of a foreign part
	// Field is where the part stood in the client's body, for errors: messages[2].content[0].
	Field string
}

// Thought is what the model thought. It must go back to the model it came from, unchanged, or tools with thinking fail.
type Thought struct {
	Text      string // shown
	Signature string // of Text
	Encrypted string // not shown: redacted_thinking's data, encrypted_content
	ID        string // of the item
	Summary   bool   // Text is a summary, not the thought itself
}

// Media is an image, a sound, a video or a document. Exactly one of Data, URL and FileID is set, or Text for a document given as text.
type Media struct {
	MIME     string // image/png; may be empty beside a URL
	Data     string // base64, standard alphabet
	URL      string
	FileID   string // the provider's own
	Text     string // of a document that is plain text
	Filename string
	Title    string // of a document
	Context  string // about a document
	Detail   string // of an image: auto, low, high
	Cite     bool   // citations are wanted
}

// Call is one call of a tool.
type Call struct {
	ID        string
	Name      string
	Arguments string // JSON text as the model wrote it; empty stands for {}
	Custom    bool   // the tool takes free text: Arguments is that text, not JSON
}

// Result is what a tool gave back.
type Result struct {
	CallID  string
	Name    string // of the tool; an encoder that needs it and finds none looks it up by CallID
	Parts   []Part // text, images, files
	IsError bool
	Custom  bool
}

// Cache is a mark of prompt caching.
type Cache struct{ TTL string } // 5m, 1h; empty: the provider's default
