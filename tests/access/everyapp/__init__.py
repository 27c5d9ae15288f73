"""An app that is reached by REST, GraphQL and WebSocket, and says nothing about permissions but where it must."""
