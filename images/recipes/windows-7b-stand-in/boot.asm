; Boot code of the stand-in: the text of a STOP 0x7B of Windows 7 in VGA text mode, and a halt.
; Loaded by a BIOS at 0000:7C00, at most 440 bytes long.

bits 16
org 0x7c00

    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov ax, 0x0003              ; INT 10h, mode 3: 80x25 text
    int 0x10
    mov ax, 0xb800
    mov es, ax
    xor di, di
    cld
    mov ax, 0x1f20              ; white on blue, blank
    mov cx, 80 * 25
    rep stosw
    mov si, text
    mov di, 80 * 2
next:
    lodsb
    test al, al
    jz stop
    cmp al, 10
    je line
    stosw                       ; ah still holds the colours
    jmp next
line:
    mov ax, di                  ; on to the begin of the next row
    mov bl, 160
    div bl
    inc al
    mul bl
    mov di, ax
    mov ah, 0x1f
    jmp next
stop:
    hlt
    jmp stop

text:
    db "A problem has been detected and Windows has been shut down to prevent damage", 10
    db "to your computer.", 10, 10
    db "This is a stand-in: no code of Windows is on this disk.", 10, 10
    db "Technical information:", 10, 10
    db "*** STOP: 0x0000007B (0xFFFFF880009A97E8,0xFFFFFFFFC0000034,0x0000000000000000,", 10
    db "0x0000000000000000)", 0
