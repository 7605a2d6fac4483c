package adapters

// Prompt says where a dialect's chat requests have what stays the same over a conversation: names of the body's members.
type Prompt struct {
	// CacheKey is the client's own word for what can share a cache; empty: the dialect has none.
	CacheKey string
	// Before are instructions and tools.
	Before []string
	// Turns is the conversation: an array of objects with a role, or a text that is the one turn.
	Turns string
	// Roleless is whether a turn without a role is the user's.
	Roleless bool
}

// Prompted is a Dialect with chats, which says where their prompts stand.
type Prompted interface {
	Prompt() *Prompt
}

// PromptOf returns where the prompt of a request stands; nil where it has none.
func PromptOf(req *RequestContext) *Prompt {
	if d, ok := req.Dialect.(Prompted); ok && req.Operation == OperationChat {
		return d.Prompt()
	}
	return nil
}
