// The smallest consumer in Go: prints each price.
//
//	go run consumer.go
//
// The code is the one of the project's first page, unchanged. Added: the imports of fmt and log, which it uses.

package main

import (
    "encoding/json"
    "github.com/gorilla/websocket"
)

import (
    "fmt"
    "log"
)

func main() {
    conn, _, err := websocket.DefaultDialer.Dial("ws://localhost:8765", nil)
    if err != nil {
        log.Fatal(err)
    }
    defer conn.Close()
    
    for {
        _, message, err := conn.ReadMessage()
        if err != nil {
            log.Println(err)
            return
        }
        
        var data map[string]interface{}
        json.Unmarshal(message, &data)
        fmt.Printf("Price: $%.2f\n", data["last_price"])
    }
}
