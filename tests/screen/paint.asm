; A boot sector that writes a message and stops. MODE: 0 for text mode painted white on blue, else
; the VBE mode that the VGA BIOS draws the message in (VBE 3.0, function 02h). COLOUR: its attribute.
        bits 16
        org 0x7c00

        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
%if MODE
        mov ax, 0x4f02
        mov bx, MODE
%else
        mov ax, 0x0003
%endif
        int 0x10
%if MODE == 0
        mov ax, 0xb800          ; every cell blank, in the colours wanted
        mov es, ax
        xor di, di
        mov cx, 80 * 25
        mov ax, (COLOUR << 8) | 0x20
        cld
        rep stosw
        mov ax, 0x0000
        mov es, ax
%endif
        mov si, message
next:   lodsb
        test al, al
        jz done
        mov ah, 0x0e            ; teletype output
        mov bx, COLOUR & 0x0f
        int 0x10
        jmp next
done:   cli
        hlt
        jmp done

message:
        incbin MESSAGE
        db 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
