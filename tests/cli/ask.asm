; A boot sector of a disc: asks for a key on the screen, as boot menus do, and says when it has one.
; QUESTION is what it asks; what it says then follows.
        bits 16
        org 0x7c00

        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        mov ax, 0x0003
        int 0x10
        mov si, question
        call say
        mov ah, 0x00            ; wait for a key and take it
        int 0x16
        mov si, thanks
        call say
        mov ah, 0x00            ; a second key would be one too many
        int 0x16
        mov si, again
        call say
done:   cli
        hlt
        jmp done

say:    lodsb
        test al, al
        jz said
        mov ah, 0x0e            ; teletype output
        mov bx, 0x0007
        int 0x10
        jmp say
said:   ret

question: db QUESTION, 13, 10, 0
thanks: db "One key was pressed.", 13, 10, 0
again:  db "And one more.", 13, 10, 0

        times 2048 - ($ - $$) db 0
